import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dayMs } from "../../support/certificates.ts";
import { onEnd } from "../../support/cleanup.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { AmlenServer } from "./amlen-server.ts";
import { memberAuthority, selfSignedLeaf } from "./member-certificates.ts";
import {
  configure,
  logOf,
  pairStatus,
  place,
  placeCredentials,
  restart,
  serverBlock,
  start,
  testMember,
  testPair,
  untilPair,
  untilPaired,
  untilServer,
  untilStopped,
  type TestMember,
} from "./test-members.ts";

/** Long enough for members that will find each other, short for those that cannot. */
const soon = { DiscoveryTimeout: 15 };

test("two new members pair with built-in credentials, and show each step", async () => {
  const [a, b] = await testPair({}, { speed: 20 });
  await start(a, b);
  await untilPair(a, {
    NewRole: "PRIMARY",
    OldRole: "UNSYNC",
    ActiveNodes: 2,
    SyncNodes: 1,
    PctSyncCompletion: 1,
    RemoteServerName: "",
  });
  await untilPair(b, {
    NewRole: "UNSYNC",
    OldRole: "UNSYNC",
    ActiveNodes: 2,
    SyncNodes: 0,
    PctSyncCompletion: -1,
    PrimaryLastTime: "",
  });
  await untilPair(a, {
    NewRole: "PRIMARY",
    OldRole: "PRIMARY",
    SyncNodes: 2,
    PctSyncCompletion: -1,
  });
  await untilPair(b, { NewRole: "STANDBY", OldRole: "UNSYNC", SyncNodes: 2 });
  expect((await pairStatus(b)).RemoteServerName).toBe(a.server.name);
  await untilServer(a, { State: 1, ErrorCode: 0 });
  await untilServer(b, { State: 10, ErrorCode: 0 });
});

test("leafs of one CA pair when both members trust it, and the primary's replaces the standby's", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair();
  placeCredentials(a, "HA", await authority.leaf("a"), authority.certificate);
  placeCredentials(b, "HA", await authority.leaf("b"), authority.certificate);
  const certificateOf = ({ server }: TestMember): string =>
    new X509Certificate(readFileSync(join(server.folder.certificates, "keystore/HA_cert.pem")))
      .subject;
  expect(certificateOf(b)).toBe("CN=b");
  await start(a, b);
  await untilPaired(a, b);
  expect(certificateOf(b)).toBe("CN=a");
  expect(logOf(b, "imatrace")).toContain(
    "Using user provided credentials for High Availability Pairing",
  );
});

test("RSA leafs pair", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair();
  for (const member of [a, b]) {
    const leaf = await authority.leaf("member", { algorithm: "rsa-2048" });
    placeCredentials(member, "HA", leaf, authority.certificate);
  }
  await start(a, b);
  await untilPaired(a, b);
});

test("the same self-signed certificate on both pairs only if it is the CA file too", async () => {
  const leaf = await selfSignedLeaf("member");
  const [a, b] = await testPair(soon);
  for (const member of [a, b]) placeCredentials(member, "HA", leaf);
  await start(a, b);
  await untilStopped(a, 509);
  await untilStopped(b, 509);
  for (const member of [a, b]) {
    place(member.server, "truststore/HA_cafile.pem", leaf.certificate);
    configure(member, "HighAvailability", { DiscoveryTimeout: 600 });
    await restart(member, { Maintenance: "stop" });
  }
  await untilPaired(a, b);
});

test("a member that stopped is in maintenance after a plain restart too", async () => {
  const [a] = await testPair({ DiscoveryTimeout: 10 });
  await start(a);
  await untilStopped(a, 509);
  await restart(a);
  await untilPair(a, { NewRole: "UNKNOWN" });
  await untilServer(a, { State: 9, ErrorCode: 0 });
});

test("leafs of two CAs pair when both members trust both CAs", async () => {
  const authorities = [await memberAuthority("Old"), await memberAuthority("New")];
  const both = authorities.map(({ certificate }) => certificate).join("");
  const pair = await testPair();
  for (const [index, authority] of authorities.entries()) {
    const member = pair[index];
    if (member !== undefined) placeCredentials(member, "HA", await authority.leaf("member"), both);
  }
  await start(...pair);
  await untilPaired(...pair);
});

test("an expired certificate stops both, and only the trace has a line", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair(soon);
  placeCredentials(a, "HA", await authority.leaf("a"), authority.certificate);
  const expired = await authority.leaf("b", { notAfterMs: Date.now() - dayMs });
  placeCredentials(b, "HA", expired, authority.certificate);
  await start(a, b);
  await untilStopped(a, 509);
  await untilStopped(b, 509);
  expect(a.server.refusedHandshakes).toBeGreaterThan(0);
});

test("a key of another certificate stops its member at once, with a status that shows nothing", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair(soon);
  placeCredentials(a, "HA", await authority.leaf("a"), authority.certificate);
  const { certificate } = await authority.leaf("b");
  const { key } = await authority.leaf("b");
  placeCredentials(b, "HA", { certificate, key }, authority.certificate);
  await start(a, b);
  await untilServer(b, { State: 9, ErrorCode: 509 });
  expect(await pairStatus(b)).toMatchObject({
    Status: "Active",
    NewRole: "UNSYNC",
    OldRole: "UNSYNC",
    ActiveNodes: 0,
    ReasonCode: 0,
  });
  expect(logOf(b, "imaserver-default")).toMatch(/CWLNA0911.*key values mismatch/);
  await untilStopped(a, 509);
});

test("the documented migration shows the documented status at each step", async () => {
  const authority = await memberAuthority("Members");
  const leaf = await authority.leaf("pair");
  const [a, b] = await testPair({}, { speed: 25 });
  await start(a, b);
  await untilPaired(a, b);
  placeCredentials(b, "HA", leaf, authority.certificate);
  const restarted = await restart(b);
  expect(restarted).toMatchObject({ status: 200, body: { Code: "CWLNA6011", Version: "v1" } });
  await untilPair(b, { NewRole: "UNSYNC", ActiveNodes: 0, SyncNodes: 0, ReasonCode: 0 });
  await untilPair(a, { NewRole: "PRIMARY", OldRole: "PRIMARY", ActiveNodes: 1, SyncNodes: 1 });
  placeCredentials(a, "HA", leaf, authority.certificate);
  await restart(a);
  await untilPair(a, { NewRole: "PRIMARY", OldRole: "UNSYNC", ActiveNodes: 2, SyncNodes: 1 });
  await untilPaired(a, b);
});

test("a standby becomes primary when the primary is killed, which comes back as standby", async () => {
  const [a, b] = await testPair();
  await start(a, b);
  await untilPaired(a, b);
  a.server.kill();
  await untilPair(b, { NewRole: "PRIMARY", ActiveNodes: 1, SyncNodes: 1 });
  await start(a);
  await untilPaired(b, a);
});

test("a member alone starts only as StandAlone, and one that is StandAlone joins no primary", async () => {
  const [a, b] = await testPair({ StartupMode: "StandAlone" });
  await start(a);
  await untilPair(a, { NewRole: "PRIMARY", ActiveNodes: 1 });
  // Slow enough to meet the other one before its ten seconds are over.
  const slow = { ...b, server: new AmlenServer({ ...b.options, speed: 2 }) };
  onEnd(() => slow.server.kill());
  await start(slow);
  await untilPair(slow, {
    NewRole: "UNSYNC_ERROR",
    ReasonCode: 3,
    ReasonString: " - SPLIT_BRAIN",
  });
  expect((await pairStatus(a)).NewRole).toBe("PRIMARY");
});

test("members of two groups stop with a reason", async () => {
  const [a, b] = await testPair();
  configure(b, "HighAvailability", { Group: "other" });
  await start(a, b);
  await untilPair(a, { NewRole: "UNSYNC_ERROR", ReasonCode: 7 });
  await untilPair(b, { ReasonString: "HA.Group - GROUP_MISMATCH" });
});

test("one link that is cut stops the standby", async () => {
  const [a, b] = await testPair();
  await start(a, b);
  await untilPaired(a, b);
  b.server.cut("replication");
  await untilStopped(b, 0);
  await untilPair(a, { NewRole: "PRIMARY", ActiveNodes: 1 });
});

test("a member in maintenance says UNKNOWN, and pairs after it was taken out of it", async () => {
  const [a, b] = await testPair();
  await start(a, b);
  await untilPaired(a, b);
  await restart(b, { Maintenance: "start" });
  await untilPair(b, { NewRole: "UNKNOWN", OldRole: "UNKNOWN" });
  await untilServer(b, { State: 9, ErrorCode: 0 });
  await restart(b, { Maintenance: "stop" });
  await untilPaired(a, b);
});

test("a restarting member answers for a while, then not at all, then again", async () => {
  const member = await testMember({ speed: 8 });
  await start(member);
  await restart(member);
  expect(await serverBlock(member)).toMatchObject({ State: 2 });
  const refused = async (): Promise<boolean> => {
    const code = (error: unknown): unknown => (error as NodeJS.ErrnoException).code;
    return (await serverBlock(member).catch(code)) === "ECONNREFUSED";
  };
  await waitUntil(refused, { deadlineMs: 5_000, what: "no answer" });
  await untilServer(member, { State: 1 });
});

test("members without TLS pair, and one with TLS and one without never do", async () => {
  const [a, b] = await testPair({ UseSecuredConnections: false });
  await start(a, b);
  await untilPaired(a, b);
  b.server.kill();
  await untilPair(a, { ActiveNodes: 1 });
  configure(b, "HighAvailability", { UseSecuredConnections: true, ...soon });
  await start(b);
  await untilStopped(b, 509);
});

test("a NIC that is not the host's, or one for both links, is a reason of its own", async () => {
  const [a, b] = await testPair();
  configure(a, "HighAvailability", { LocalReplicationNIC: "10.0.0.1" });
  configure(b, "HighAvailability", { LocalReplicationNIC: b.host.discovery });
  await start(a, b);
  await untilPair(a, { ReasonCode: 1, ReasonString: "HA.LocalReplicationNIC - CONFIG_ERROR" });
  await untilPair(b, { ReasonCode: 1, ReasonString: "HA.LocalDiscoveryNIC - CONFIG_ERROR" });
  await untilServer(a, { State: 9, ErrorCode: 510 });
});
