import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { amlenMember } from "../../../test/support/amlen-member.ts";
import { dayMs, testCertificate } from "../../../test/support/certificates.ts";
import { realRoot, serverMaterial } from "../../../test/support/driver-material.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import {
  call,
  configure,
  place,
  shownSubject,
  start,
  testMember,
  testPair,
  untilPair,
  untilPaired,
  untilStopped,
  type TestMember,
} from "../../../test/simulators/amlen/test-members.ts";
import { certificatesPem, generateKeyPair, privateKeyToPem } from "../../keys/index.ts";
import { installedState, installGenerationOf, restoreFiles } from "../member.ts";
import { readStatus } from "../read-status.ts";
import { fingerprintOf } from "../served.ts";
import { serverOf } from "../server.ts";
import { shownBy } from "../shown-by.ts";
import { amlenCode } from "./code.ts";

const deadlineMs = 10_000;

test("the members of a pair say their roles, and that they are in step", async () => {
  const [a, b] = await testPair();
  const [active, standby] = [await amlenMember(a), await amlenMember(b)];
  expect(await readStatus(active)).toBeNull();
  await start(a);
  expect(await readStatus(active)).toMatchObject({
    role: "unknown",
    members: 1,
    connected: 0,
    synchronised: false,
    maintenance: false,
    highAvailability: { Status: "Active", NewRole: "UNSYNC", ActiveNodes: 0 },
  });
  await start(b);
  await untilPaired(a, b);
  const inStep = { members: 1, connected: 1, synchronised: true, errorCode: 0 };
  expect(await readStatus(active)).toMatchObject({ role: "active", ...inStep });
  expect(await readStatus(standby)).toMatchObject({
    role: "standby",
    ...inStep,
    highAvailability: { NewRole: "STANDBY", OldRole: "UNSYNC", RemoteServerName: a.server.name },
  });
});

test("a server of no pair and no cluster has no role, and none of its documents", async () => {
  const alone = await testMember();
  await start(alone);
  const status = await readStatus(await amlenMember(alone));
  expect(status).toMatchObject({ role: null, members: null, connected: null, synchronised: null });
  expect(status).not.toHaveProperty("highAvailability");
  expect(status).not.toHaveProperty("cluster");
});

test("a restart waits until the server went away and is back", async () => {
  const alone = await testMember({ speed: 20 });
  await start(alone);
  const member = await amlenMember(alone);
  const before = await serverStart(alone);
  await amlenCode.restart?.(member);
  expect(await serverStart(alone)).toBeGreaterThan(before + 5_000);
  expect(alone.server.running).toBe(true);
});

async function serverStart(member: TestMember): Promise<number> {
  const { body } = await call(member, "GET", "service/status/Server");
  const { ServerTime, UpTimeSeconds } = body["Server"] as Record<string, string>;
  return Date.parse(ServerTime ?? "") - Number(UpTimeSeconds) * 1000;
}

test("a server that does not run cannot be restarted over its admin port", async () => {
  const member = await amlenMember(await testMember());
  await expect(amlenCode.restart?.(member)).rejects.toMatchObject({
    code: "not-running",
    message: expect.stringContaining("start its server") as string,
  });
});

test("a supervised server is restarted over its admin port, and by its Node Manager if it does not answer", async () => {
  const alone = await testMember();
  let starts = 0;
  const restart = async (): Promise<void> => {
    starts += 1;
    await alone.server.start();
  };
  const supervised = { ...(await amlenMember(alone)), restart };
  const { takeEffect } = serverOf(supervised);
  await takeEffect(false);
  expect(starts).toBe(1);
  const before = await serverStart(alone);
  await takeEffect(false);
  expect(starts).toBe(1);
  expect(await serverStart(alone)).toBeGreaterThan(before);
});

test("a member that stopped with 509 comes back by a restart; one that was put in maintenance stays", async () => {
  const [a] = await testPair({ DiscoveryTimeout: 10 });
  await start(a);
  const member = await amlenMember(a);
  await untilStopped(a, 509);
  expect(await readStatus(member)).toMatchObject({ maintenance: true, errorCode: 509 });
  configure(a, "HighAvailability", { DiscoveryTimeout: 600 });
  await amlenCode.restart?.(member);
  await untilPair(a, { Status: "Active", NewRole: "UNSYNC" });

  const other = await testMember();
  await start(other);
  await call(other, "POST", "service/restart", { Service: "Server", Maintenance: "start" });
  const held = await amlenMember(other);
  await waitUntil(async () => (await readStatus(held))?.maintenance, {
    deadlineMs,
    what: "maintenance",
  });
  await amlenCode.restart?.(held);
  expect(await readStatus(held)).toMatchObject({ maintenance: true, errorCode: 0 });
});

test("a pair changes from built-in credentials to one of its own, standby first", async () => {
  const [a, b] = await testPair();
  await start(a, b);
  await untilPaired(a, b);
  const generation = { sequence: 1, material: await serverMaterial(await realRoot()) };
  const [active, standby] = [await amlenMember(a), await amlenMember(b)];
  await installGenerationOf(standby, generation);
  await untilPair(b, { Status: "Active", NewRole: "UNSYNC", ActiveNodes: 0, ReasonCode: 0 });
  await untilPair(a, { NewRole: "PRIMARY", ActiveNodes: 1, SyncNodes: 1 });
  await installGenerationOf(active, generation);
  await untilPaired(a, b);
  const leaf = fingerprintOf(generation.material.leaf.der);
  for (const member of [active, standby]) expect(await serverOf(member).serves(leaf)).toBe(true);
});

test("of a standby nothing is to be seen: its files are its primary's, and can be put back", async () => {
  const authority = await realRoot();
  const [a, b] = await testPair();
  const [active, standby] = [await amlenMember(a), await amlenMember(b)];
  const [one, two] = [await serverMaterial(authority), await serverMaterial(authority)];
  await start(a, b);
  await untilPaired(a, b);
  await installGenerationOf(standby, { sequence: 1, material: two });
  await installGenerationOf(active, { sequence: 1, material: one });
  await untilPaired(a, b);
  expect(await shownBy(standby)).toEqual([]);
  const leaf = fingerprintOf(one.leaf.der);
  expect(await shownBy(active)).toMatchObject([{ leaf }]);
  const { changed } = await installedState(standby.description);
  expect(changed.map(({ problem }) => problem)).toContain("content");
  await restoreFiles(standby.description);
  expect((await installedState(standby.description)).changed).toEqual([]);
  await untilPaired(a, b);
});

test("a generation is refused, and the files from before are back, when the server comes back and stops", async () => {
  const [a] = await testPair({ StartupMode: "StandAlone" });
  await start(a);
  await untilPair(a, { NewRole: "PRIMARY" });
  configure(a, "HighAvailability", { LocalReplicationNIC: "127.0.0.9" });
  const member = await amlenMember(a);
  const material = await serverMaterial(await realRoot());
  await expect(installGenerationOf(member, { sequence: 1, material })).rejects.toMatchObject({
    code: "generation-refused",
  });
  await expect(
    readFile(join(member.values["keystore"] ?? "", "HA_cert.pem")),
  ).rejects.toMatchObject({ code: "ENOENT" });
});

test("credentials go where server.cfg says, unless other folders are given", async () => {
  const a = await testMember();
  const elsewhere = await tempFolder();
  a.server.folder.setCfg("KeyStore", elsewhere);
  const member = await amlenMember(a);
  expect(member.description.files[0]?.path).toBe(`${elsewhere}/HA_key.pem`);
  expect(member.values["truststore"]).toBe(`${a.server.folder.certificates}/truststore`);
  const given = await amlenMember(a, { variables: { keystore: "/srv/keys" } });
  expect(given.description.files[0]?.path).toBe("/srv/keys/HA_key.pem");
});

test("the settings of a pair are sent once, and counted from the restart on", async () => {
  const [a, b] = [await testMember(), await testMember()];
  await start(a, b);
  const settings = (self: TestMember, other: TestMember): object => ({
    EnableHA: true,
    Group: "pair",
    RemoteDiscoveryNIC: other.host.discovery,
    LocalDiscoveryNIC: self.host.discovery,
    LocalReplicationNIC: self.host.replication,
    UseSecuredConnections: true,
    CertificatesRequired: true,
    PreferredPrimary: self === a,
  });
  const members = [
    await amlenMember(a, { settings: { HighAvailability: settings(a, b) } }),
    await amlenMember(b, { settings: { HighAvailability: settings(b, a) } }),
  ];
  const generation = { sequence: 1, material: await serverMaterial(await realRoot()) };
  await Promise.all(members.map((member) => installGenerationOf(member, generation)));
  await untilPaired(a, b);
  expect(a.server.folder.state.configuration.HighAvailability).toMatchObject({
    RequireCertificates: true,
  });
  for (const member of members) expect(await amlenCode.form?.(member)).toBe(false);
});

test("settings with a mistake are refused before anything is sent, merged with what is stored", async () => {
  const [a] = await testPair();
  await start(a);
  const settings = { HighAvailability: { HeartbeatTimeout: 20, ExternalReplicationPort: 2000 } };
  const member = await amlenMember(a, { settings });
  await expect(amlenCode.form?.(member)).rejects.toMatchObject({
    code: "invalid-input",
    message: expect.stringContaining("ExternalReplicationPort needs a ReplicationPort") as string,
  });
  expect(a.server.folder.state.configuration.HighAvailability).not.toHaveProperty(
    "HeartbeatTimeout",
  );
});

test("what only the server knows is refused by it, in words", async () => {
  const [a] = await testPair();
  await start(a);
  const settings = {
    ClusterMembership: { ControlAddress: "192.0.2.1", EnableClusterMembership: false },
  };
  const member = await amlenMember(a, { settings });
  await expect(amlenCode.form?.(member)).rejects.toMatchObject({
    code: "invalid-input",
    message: expect.stringMatching(
      /refuses configuration with CWLNA0112: a value is out of range/,
    ) as string,
  });
});

test("the admin port is verified by the CA that is named, and for the name that is called", async () => {
  const authority = await realRoot();
  const a = await testMember();
  const { privateKey, spki } = await generateKeyPair("ecdsa-p256");
  const leaf = testCertificate(authority, spki, {
    subjectAltName: [{ type: "ip", value: a.host.admin }],
    notAfterMs: Date.now() + dayMs,
  });
  place(a.server, "keystore/AdminDefaultCert.pem", certificatesPem([leaf]));
  place(a.server, "keystore/AdminDefaultKey.pem", privateKeyToPem(privateKey));
  await start(a);
  const anchors = [authority.certificate];
  const adminCa = join(await tempFolder(), "admin-ca.pem");
  await writeFile(adminCa, certificatesPem(anchors));
  const adminUrl = `https://${a.host.admin}:9089`;
  expect(
    await readStatus(await amlenMember(a, { variables: { adminUrl, adminCa } })),
  ).not.toBeNull();
  expect(
    await readStatus(await amlenMember(a, { variables: { adminUrl }, anchors })),
  ).not.toBeNull();
  const untrusted = { code: "untrusted-server" };
  const others = [(await realRoot("CN=Other")).certificate];
  const stranger = await amlenMember(a, { variables: { adminUrl }, anchors: others });
  await expect(readStatus(stranger)).rejects.toMatchObject(untrusted);
  const wrongName = testCertificate(authority, spki, { notAfterMs: Date.now() + dayMs });
  a.server.kill();
  place(a.server, "keystore/AdminDefaultCert.pem", certificatesPem([wrongName]));
  await start(a);
  const named = await amlenMember(a, { variables: { adminUrl }, anchors });
  await expect(readStatus(named)).rejects.toMatchObject(untrusted);
});

test("the login is read from a file of the host, and a wrong one is said to be", async () => {
  const a = await testMember({ adminPassword: "correct horse" });
  await start(a);
  const adminPasswordFile = join(await tempFolder(), "password");
  const member = await amlenMember(a, { variables: { adminPasswordFile } });
  await expect(readStatus(member)).rejects.toMatchObject({ code: "unauthenticated" });
  await writeFile(adminPasswordFile, "wrong\n", { mode: 0o600 });
  await expect(readStatus(member)).rejects.toMatchObject({ code: "unauthenticated" });
  await writeFile(adminPasswordFile, "correct horse\n");
  expect(await readStatus(member)).not.toBeNull();
  await chmod(adminPasswordFile, 0o644);
  await expect(readStatus(member)).rejects.toMatchObject({
    message: expect.stringContaining("can be read by others") as string,
  });
});

test.each([
  ["http://10.0.0.1:9089", "refused", 1],
  ["http://10.0.0.1:9089", "allowed", 0],
  ["http://127.0.0.5:9089", "refused", 0],
  ["http://[::1]:9089", "refused", 0],
  ["https://10.0.0.1:9089", "refused", 0],
  ["https://user@10.0.0.1:9089", "refused", 1],
  ["10.0.0.1:9089", "refused", 1],
])("adminUrl %s with plain text %s has %i mistakes", (adminUrl, adminPlaintext, count) => {
  const values = { adminUrl, adminPlaintext, adminCa: "service" };
  expect(amlenCode.mistakes?.({ values, others: [] })).toHaveLength(count);
});

test("a Cluster port that shows another certificate is not the new one in use", async () => {
  const a = await testMember();
  configure(a, "ClusterMembership", {
    EnableClusterMembership: true,
    ClusterName: "cluster",
    UseMulticastDiscovery: false,
    DiscoveryServerList: `${a.host.admin}:9104`,
    ControlAddress: a.host.admin,
    MessagingUseTLS: true,
  });
  await start(a);
  const member = await amlenMember(a);
  const material = await serverMaterial(await realRoot());
  const leaf = fingerprintOf(material.leaf.der);
  expect(await serverOf(member).serves(leaf)).toBe(false);
  await installGenerationOf(member, { sequence: 1, material });
  expect(await serverOf(member).serves(leaf)).toBe(true);
  expect(await shownSubject(a.host.admin, 9105)).toContain("nodemanager-1");
});
