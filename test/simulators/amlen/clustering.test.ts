import { expect, test } from "vitest";
import { waitUntil } from "../../support/wait-until.ts";
import { memberAuthority } from "./member-certificates.ts";
import {
  call,
  configure,
  logOf,
  placeCredentials,
  restart,
  saysTo,
  serverBlock,
  shownSubject,
  start,
  testMember,
  testPair,
  untilEqual,
  untilPaired,
  type TestMember,
} from "./test-members.ts";
import type { AmlenServerOptions } from "./amlen-server.ts";

interface ClusterStatus {
  readonly Status: string;
  readonly Name?: string;
  readonly ConnectedServers?: number;
  readonly DisconnectedServers?: number;
}

async function untilCluster(member: TestMember, expected: ClusterStatus): Promise<void> {
  await untilEqual(
    async () => {
      const { body } = await call(member, "GET", "service/status/Cluster");
      return body["Cluster"] as ClusterStatus;
    },
    expected,
    member.server.name,
  );
}

interface Monitored {
  readonly ServerName: string;
  readonly ServerUID: string;
  readonly Status: string;
}

async function monitor(member: TestMember): Promise<Monitored[]> {
  const { body } = await call(member, "GET", "monitor/Cluster");
  return body["Cluster"] as Monitored[];
}

const counts = (connected: number, disconnected: number): ClusterStatus => ({
  Status: "Active",
  ConnectedServers: connected,
  DisconnectedServers: disconnected,
});

/** Enables the cluster on members that do not run; all of them are listed to each. */
function configureCluster(members: readonly TestMember[], settings: object = {}): void {
  const list = members.map(({ host }) => `${host.admin}:9104`).join(",");
  for (const member of members) {
    configure(member, "ClusterMembership", {
      EnableClusterMembership: true,
      ClusterName: "MyCluster",
      UseMulticastDiscovery: false,
      DiscoveryServerList: list,
      ControlAddress: member.host.admin,
      MessagingUseTLS: true,
      ...settings,
    });
  }
}

async function testCluster(
  size: number,
  options: Partial<AmlenServerOptions> = {},
): Promise<TestMember[]> {
  const members: TestMember[] = [];
  for (let index = 0; index < size; index++) members.push(await testMember(options));
  configureCluster(members);
  return members;
}

test("a healthy cluster of three counts two, because a server does not count itself", async () => {
  const members = await testCluster(3);
  await start(...members);
  for (const member of members) await untilCluster(member, counts(2, 0));
  const [first] = members;
  if (first === undefined) throw new Error("no member");
  expect((await monitor(first)).map(({ Status }) => Status)).toEqual(["Active", "Active"]);
});

test("credentials change one member at a time, with the counts that were measured", async () => {
  const authority = await memberAuthority("Members");
  const members = await testCluster(3, { speed: 50 });
  const [a, b, c] = members;
  if (a === undefined || b === undefined || c === undefined) throw new Error("no members");
  await start(...members);
  for (const member of members) await untilCluster(member, counts(2, 0));
  for (const member of members) {
    const leaf = await authority.leaf("member");
    placeCredentials(member, "Cluster", leaf, authority.certificate);
  }
  await restart(c);
  await untilCluster(a, counts(1, 1));
  await untilCluster(c, { Status: "Discover", ConnectedServers: 0, DisconnectedServers: 2 });
  await untilCluster(c, counts(0, 2));
  const states = (await monitor(a)).map(({ ServerName, Status }) => [ServerName, Status]);
  expect(states).toContainEqual([c.server.name, "Inactive"]);
  await restart(b);
  await untilCluster(a, counts(0, 2));
  await untilCluster(b, counts(1, 1));
  await restart(a);
  for (const member of members) await untilCluster(member, counts(2, 0));
  for (const port of [9104, 9105]) expect(await shownSubject(a.host.admin, port)).toBe("CN=member");
});

test("members of two names, or of one UID, never know each other", async () => {
  const members = await testCluster(3);
  const [a, b, c] = members;
  if (a === undefined || b === undefined || c === undefined) throw new Error("no members");
  configure(b, "ClusterMembership", { ClusterName: "Other" });
  c.server.folder.keep({ serverUid: a.server.folder.state.serverUid });
  await start(...members);
  for (const member of members) await untilCluster(member, counts(0, 0));
});

test("RequireCertificates false lets nobody in whose certificate does not verify", async () => {
  const authority = await memberAuthority("Members");
  const members = await testCluster(2);
  configureCluster(members, { RequireCertificates: false });
  const [a, b] = members;
  if (a === undefined || b === undefined) throw new Error("no members");
  placeCredentials(b, "Cluster", await authority.leaf("b"), authority.certificate);
  await start(...members);
  for (const member of members) await untilCluster(member, counts(0, 0));
  expect(await saysTo(a.host.admin, 9104)).toBe("");
  expect(a.server.refusedHandshakes + b.server.refusedHandshakes).toBeGreaterThan(0);
});

test("a key of another certificate keeps a member out of the cluster, and it says so", async () => {
  const authority = await memberAuthority("Members");
  const members = await testCluster(2);
  const [a, b] = members;
  if (a === undefined || b === undefined) throw new Error("no members");
  const { certificate } = await authority.leaf("b");
  const { key } = await authority.leaf("b");
  placeCredentials(b, "Cluster", { certificate, key }, authority.certificate);
  await start(...members);
  await untilCluster(b, { Status: "Error" });
  await untilCluster(a, counts(0, 0));
  expect(logOf(b, "imaserver-default")).toMatch(/CWLNA0911.*key values mismatch/);
});

test("a dead member is removed by name and UID, and learns so when it comes back", async () => {
  const members = await testCluster(2);
  const [a, b] = members;
  if (a === undefined || b === undefined) throw new Error("no members");
  await start(...members);
  await untilCluster(a, counts(1, 0));
  const [seen] = await monitor(a);
  const { ServerName, ServerUID } = seen ?? {};
  const path = "service/remove/inactiveClusterMember";
  const alive = await call(a, "POST", path, { ServerName, ServerUID });
  expect(alive.body["Code"]).toBe("CWLNA0148");
  expect((await call(a, "POST", path, { ServerName })).body["Code"]).toBe("CWLNA0134");
  b.server.kill();
  await untilCluster(a, counts(0, 1));
  expect((await call(a, "POST", path, { ServerName, ServerUID })).status).toBe(200);
  await untilCluster(a, counts(0, 0));
  await start(b);
  await untilCluster(b, { Status: "Removed" });
});

test("a member that leaves is forgotten by the others, and has another UID afterwards", async () => {
  const members = await testCluster(2);
  const [a, b] = members;
  if (a === undefined || b === undefined) throw new Error("no members");
  await start(...members);
  await untilCluster(a, counts(1, 0));
  const { UID: uid } = await serverBlock(b);
  const leave = { ClusterMembership: { EnableClusterMembership: false } };
  expect((await call(b, "POST", "configuration", leave)).status).toBe(200);
  await untilCluster(a, counts(0, 0));
  await untilCluster(b, { Status: "Inactive" });
  const isNew = async (): Promise<boolean> => (await serverBlock(b)).UID !== uid;
  await waitUntil(isNew, { deadlineMs: 5_000, what: "another UID" });
});

test("three pairs make a cluster of three, and a standby takes its pair's place", async () => {
  const pairs = [await testPair(), await testPair(), await testPair()];
  const members = pairs.flat();
  configureCluster(members);
  await start(...members);
  for (const [primary, standby] of pairs) {
    await untilPaired(primary, standby);
    await untilCluster(primary, counts(2, 0));
    await untilCluster(standby, { Status: "Standby", ConnectedServers: 0 });
  }
  const [pair, other] = pairs;
  if (pair === undefined || other === undefined) throw new Error("no pairs");
  pair[0].server.kill();
  await untilCluster(pair[1], counts(2, 0));
  await untilCluster(other[0], counts(2, 0));
  expect((await call(other[1], "POST", "configuration", rename)).body["Code"]).toBe("CWLNA0382");
  expect((await call(other[0], "POST", "configuration", rename)).body["Code"]).toBe("CWLNA0384");
  const disable = { HighAvailability: { EnableHA: false } };
  expect((await call(other[0], "POST", "configuration", disable)).body["Code"]).toBe("CWLNA0385");
}, 20_000);

const rename = { ClusterMembership: { ClusterName: "Renamed" } };

test("a messaging port without TLS looks as healthy as one with it", async () => {
  const members = await testCluster(2, { messagingPortWithoutTls: true });
  await start(...members);
  for (const member of members) await untilCluster(member, counts(1, 0));
  const [a] = members;
  expect(await shownSubject(a?.host.admin ?? "", 9104)).toContain("CN=cluster");
  expect(await shownSubject(a?.host.admin ?? "", 9105)).toBeUndefined();
});
