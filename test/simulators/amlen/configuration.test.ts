import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeLasting, type Lasting } from "../../support/cleanup.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { call, logOf, place, restart, testMember, type TestMember } from "./test-members.ts";

let lasting: Lasting<TestMember>;
let member: TestMember;

beforeAll(async () => {
  lasting = await makeLasting(async () => {
    const made = await testMember();
    await made.server.start();
    return made;
  });
  member = lasting.made;
});

afterAll(() => lasting.remove());

async function refusal(body: unknown): Promise<string> {
  const reply = await call(member, "POST", "configuration", body);
  return `${reply.status} ${String(reply.body["Code"])}`;
}

const ha = (properties: unknown): object => ({ HighAvailability: properties });
const cluster = (properties: unknown): object => ({ ClusterMembership: properties });
const nics = {
  RemoteDiscoveryNIC: "10.0.1.24",
  LocalReplicationNIC: "10.0.1.25",
  LocalDiscoveryNIC: "10.0.1.26",
};

describe("a POST of HighAvailability", () => {
  test.each<[string, unknown, string]>([
    ["a property that is not known", { EnableHa: true }, "400 CWLNA0138"],
    ["no NIC although it enables", { EnableHA: true, Group: "g" }, "400 CWLNA0134"],
    ["no group although it enables", { EnableHA: true, ...nics }, "400 CWLNA0112"],
    ["a value that is not of the enumeration", { StartupMode: "Auto" }, "400 CWLNA0112"],
    ["too short a timeout", { DiscoveryTimeout: 9 }, "400 CWLNA0112"],
    ["a port below 1024", { ReplicationPort: 1023 }, "400 CWLNA0112"],
    ["an external port without a port", { ExternalReplicationPort: 2000 }, "400 CWLNA0112"],
    ["a list of addresses", { RemoteDiscoveryNIC: "10.0.0.1,10.0.0.2" }, "400 CWLNA0112"],
    ["too long a group", { Group: "g".repeat(129) }, "400 CWLNA0112"],
    ["a number as text", { HeartbeatTimeout: "20" }, "400 CWLNA0127"],
    ["a boolean as text", { EnableHA: "false" }, "400 CWLNA0127"],
    ["null instead of the object", null, "400 CWLNA0137"],
    ["the port 0", { ReplicationPort: 0 }, "200 CWLNA6011"],
  ])("with %s is answered as measured", async (_, properties, expected) => {
    expect(await refusal(ha(properties))).toBe(expected);
  });

  test("with a trailing comma is no JSON", async () => {
    const documented = `{"HighAvailability":{"Group":"haPair1","RequireCertificates":false,}}`;
    expect(await refusal(documented)).toBe("400 CWLNA6001");
    expect(await refusal(documented.replace(",}", "}"))).toBe("200 CWLNA6011");
  });

  test("is merged with what is stored, all of it or nothing", async () => {
    await call(member, "POST", "configuration", ha({ Group: "first", HeartbeatTimeout: 7 }));
    await call(member, "POST", "configuration", ha({ Group: "second", HeartbeatTimeout: 0 }));
    const { body } = await call(member, "GET", "configuration/HighAvailability");
    expect(body["HighAvailability"]).toMatchObject({ Group: "first", HeartbeatTimeout: 7 });
  });
});

describe("a POST of ClusterMembership", () => {
  test.each<[string, () => unknown, string]>([
    ["the name the documentation has", () => ({ CertificatesRequired: false }), "400 CWLNA0138"],
    ["the right name", () => ({ RequireCertificates: false }), "200 CWLNA6011"],
    ["a host name to find others", () => ({ DiscoveryServerList: "a:9104" }), "400 CWLNA0134"],
    [
      "addresses to find others",
      () => ({ DiscoveryServerList: "10.0.0.1:9104,[::1]:9104" }),
      "200 CWLNA6011",
    ],
    ["an address of another host", () => ({ ControlAddress: "10.0.0.1" }), "400 CWLNA0112"],
    ["an address of its host", () => ({ ControlAddress: member.host.admin }), "200 CWLNA6011"],
    ["a comma in the name", () => ({ ClusterName: "a,b" }), "400 CWLNA0112"],
    ["a blank at the end of the name", () => ({ ClusterName: "a " }), "400 CWLNA0112"],
    ["no name although it enables", () => ({ EnableClusterMembership: true }), "400 CWLNA0134"],
  ])("with %s is answered as measured", async (_, properties, expected) => {
    expect(await refusal(cluster(properties()))).toBe(expected);
  });
});

test("an object of the configuration cannot be deleted", async () => {
  const reply = await call(member, "DELETE", "configuration/HighAvailability/haconfig");
  expect(reply).toMatchObject({ status: 403, body: { Code: "CWLNA0372" } });
});

test("a part of the status that does not exist is 0137", async () => {
  const reply = await call(member, "GET", "service/status/Pair");
  expect(reply).toMatchObject({ status: 400, body: { Code: "CWLNA0137", Version: "v1" } });
});

test("RequireCertificates of high availability is not shown until it is set, that of the cluster is", async () => {
  const fresh = await testMember();
  await fresh.server.start();
  const before = await call(fresh, "GET", "configuration/HighAvailability");
  expect(before.body["HighAvailability"]).not.toHaveProperty("RequireCertificates");
  await call(fresh, "POST", "configuration", ha({ RequireCertificates: true }));
  const after = await call(fresh, "GET", "configuration/HighAvailability");
  expect(after.body["HighAvailability"]).toMatchObject({ RequireCertificates: true });
  const membership = await call(fresh, "GET", "configuration/ClusterMembership");
  expect(membership.body["ClusterMembership"]).toMatchObject({ RequireCertificates: true });
});

test("status says HADISABLED between enabling and the restart", async () => {
  const fresh = await testMember();
  await fresh.server.start();
  const off = await call(fresh, "GET", "service/status/HighAvailability");
  expect(off.body["HighAvailability"]).toEqual({ Status: "Inactive", Enabled: false });
  await call(fresh, "POST", "configuration", ha({ EnableHA: true, Group: "g", ...nics }));
  const { body } = await call(fresh, "GET", "service/status");
  expect(body).toMatchObject({
    Server: { State: 1, ErrorCode: 0 },
    HighAvailability: {
      Status: "Inactive",
      Enabled: true,
      NewRole: "HADISABLED",
      OldRole: "HADISABLED",
      ActiveNodes: 0,
      SyncNodes: 0,
    },
  });
});

test("the admin port speaks TLS and HTTP, and asks for a password only if there is one", async () => {
  const closed = await testMember({ adminPassword: "secret" });
  await closed.server.start();
  expect((await call(closed, "GET", "service/status")).status).toBe(401);
  expect((await call(member, "GET", "service/status", undefined, { tls: true })).status).toBe(200);
});

test("a member whose admin certificate is half written does not come back from a restart", async () => {
  const broken = await testMember();
  await broken.server.start();
  place(broken.server, "keystore/AdminDefaultCert.pem", "-----BEGIN CERTIFICATE-----");
  place(broken.server, "keystore/AdminDefaultKey.pem", "-----BEGIN PRIVATE KEY-----");
  await restart(broken);
  const what = "a line in the log";
  await waitUntil(() => logOf(broken, "imaserver-default") !== "", { deadlineMs: 5_000, what });
  expect(broken.server.running).toBe(false);
});
