import { X509Certificate } from "node:crypto";
import { createServer } from "node:tls";
import { expect, test } from "vitest";
import { onEnd } from "../../support/cleanup.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { builtInCertificate } from "./built-in-credentials.ts";
import {
  memberAuthority,
  revocationList,
  selfSignedLeaf,
  type MemberLeaf,
} from "./member-certificates.ts";
import {
  configure,
  logOf,
  pairStatus,
  place,
  placeCredentials,
  saysTo,
  serverBlock,
  shownSubject,
  start,
  testMember,
  testPair,
  untilPair,
  untilPaired,
  untilServer,
  untilStopped,
  type TestMember,
} from "./test-members.ts";

// Facts section 0, by number. Trap 4, 7: pair.test.ts; 5, 6: configuration.test.ts; 13: clustering.test.ts.

const builtInSubject = new X509Certificate(builtInCertificate).subject;

test.each([
  [1, "without its key", "HA_cert.pem", "no_key.pem"],
  [2, "with the names in the documentation", "ha_cert.pem", "ha_key.pem"],
  [3, "with the name of the container's script", "HA_crt.pem", "HA_key.pem"],
])(
  "trap %i: a certificate %s is not used, and the pair looks as if it were",
  async (_, certificateName, keyName) => {
    const authority = await memberAuthority("Members");
    const [a, b] = await testPair();
    for (const member of [a, b]) {
      const leaf = await authority.leaf("member");
      place(member.server, `keystore/${certificateName}`, leaf.certificate);
      place(member.server, `keystore/${keyName}`, leaf.key);
      place(member.server, "truststore/HA_cafile.pem", authority.certificate);
    }
    await start(a);
    expect(await shownSubject(a.host.discovery, 9084)).toBe(builtInSubject);
    await start(b);
    await untilPaired(a, b);
    expect(await pairStatus(a)).toMatchObject({ Status: "Active", ReasonCode: 0 });
    expect(logOf(a, "imatrace")).not.toContain("user provided");
  },
);

test("trap 8 and 9: a wrong CA is invisible until DiscoveryTimeout, and afterwards too", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair();
  await start(a, b);
  await untilPaired(a, b);
  b.server.kill();
  await untilPair(a, { ActiveNodes: 1 });
  placeCredentials(b, "HA", await authority.leaf("b"), authority.certificate);
  configure(b, "HighAvailability", { DiscoveryTimeout: 120 });
  await start(b);
  await waitUntil(() => a.server.refusedHandshakes > 3, { deadlineMs: 5_000, what: "refusals" });
  expect(await pairStatus(b)).toMatchObject({ Status: "Active", NewRole: "UNSYNC", ReasonCode: 0 });
  await untilStopped(b, 509);
  expect(await pairStatus(b)).not.toHaveProperty("ReasonString");
  expect(await pairStatus(a)).toMatchObject({ NewRole: "PRIMARY", SyncNodes: 1, ReasonCode: 0 });
  expect((await serverBlock(a)).ErrorCode).toBe(0);
  expect(logOf(a, "imatrace")).toContain("HA_Incoming: handshake failed");
});

test("trap 10 and 11: of a split-brain each member sees a lone primary, and once healed both stop", async () => {
  const [a, b] = await testPair();
  await start(a, b);
  await untilPaired(a, b);
  a.server.cut("discovery");
  a.server.cut("replication");
  for (const member of [a, b]) {
    const lone = { Status: "Active", NewRole: "PRIMARY", ActiveNodes: 1, SyncNodes: 1 };
    await untilPair(member, { ...lone, ReasonCode: 0 });
    await untilServer(member, { State: 1, ErrorCode: 0 });
  }
  a.server.heal();
  for (const member of [a, b]) {
    await untilStopped(member, 0);
    expect(logOf(member, "imaserver-default")).toContain("CWLNA6112");
  }
});

test("split-brain policy 1 keeps the member with more connections and restarts the other one clean", async () => {
  const [a, b] = await testPair();
  for (const { server } of [a, b]) server.folder.setCfg("HA.SplitBrainPolicy", "1");
  await start(a, b);
  await untilPaired(a, b);
  b.server.connections = 1;
  a.server.cut("discovery");
  a.server.cut("replication");
  for (const member of [a, b]) await untilPair(member, { NewRole: "PRIMARY", ActiveNodes: 1 });
  a.server.heal();
  await untilPaired(b, a);
});

test("trap 12: PrimaryLastTime goes on while a member is primary", async () => {
  const [a] = await testPair({ StartupMode: "StandAlone" });
  await start(a);
  const first = await untilPair(a, { NewRole: "PRIMARY" });
  await waitUntil(async () => (await pairStatus(a)).PrimaryLastTime > first.PrimaryLastTime, {
    deadlineMs: 5_000,
    what: "PrimaryLastTime to change",
  });
});

interface Impostor {
  /** The member makes one after the other. */
  readonly connections: number;
  /** What the member has said to it. */
  readonly heard: string;
}

/** Somebody who is not the other member, at its place. */
async function impostor({ host }: TestMember, leaf: MemberLeaf): Promise<Impostor> {
  const seen = { connections: 0, heard: "" };
  const server = createServer({ cert: leaf.certificate, key: leaf.key }, (socket) => {
    socket.on("error", () => socket.destroy());
    socket.on("data", (data) => (seen.heard += String(data)));
    onEnd(() => socket.destroy());
  });
  server.on("tlsClientError", (_, socket) => socket.destroy());
  server.on("connection", () => (seen.connections += 1));
  await new Promise<void>((resolve) => server.listen(9084, host.discovery, resolve));
  onEnd(() => server.close());
  return seen;
}

test("trap 14: a connecting member takes any self-signed certificate of any name, and that of a system's CA", async () => {
  const [own, system, strange] = await Promise.all(
    ["Members", "Public", "Strange"].map((name) => memberAuthority(name)),
  );
  if (own === undefined || system === undefined || strange === undefined) throw new Error("no CA");
  const others: [MemberLeaf, boolean][] = [
    [await selfSignedLeaf("nobody"), true],
    [await system.leaf("anybody"), true],
    [await strange.leaf("b"), false],
  ];
  for (const [leaf, taken] of others) {
    const [a, b] = await testPair({}, { systemCertificates: [system.certificate] });
    placeCredentials(a, "HA", await own.leaf("a"), own.certificate);
    const other = await impostor(b, leaf);
    await start(a);
    const isJudged = (): boolean => other.connections > 2 || other.heard.includes(`"hello"`);
    await waitUntil(isJudged, { deadlineMs: 5_000, what: "a connection" });
    expect(other.heard !== "").toBe(taken);
  }
});

test("trap 15: a probe sees the certificate of a member, of its pair's port only while it is alone", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair();
  for (const member of [a, b]) {
    placeCredentials(member, "HA", await authority.leaf("member"), authority.certificate);
  }
  await start(a);
  expect(await shownSubject(a.host.discovery, 9084)).toBe("CN=member");
  await start(b);
  await untilPaired(a, b);
  expect(await shownSubject(a.host.discovery, 9084)).toBeUndefined();
  b.server.kill();
  await untilPair(a, { ActiveNodes: 1 });
  expect(await shownSubject(a.host.discovery, 9084)).toBe("CN=member");
});

test.each([
  [
    "false with built-in credentials: only one without a certificate gets in",
    false,
    false,
    true,
    false,
  ],
  ["not set: nobody gets in", undefined, false, false, false],
  ["ignored with user provided credentials: only those it trusts get in", false, true, false, true],
])("RequireCertificates is %s", async (_, required, own, strangers, members) => {
  const authority = await memberAuthority("Members");
  const [a] = await testPair(required === undefined ? {} : { RequireCertificates: required });
  if (own) placeCredentials(a, "HA", await authority.leaf("a"), authority.certificate);
  await start(a);
  const port = 9084;
  expect((await saysTo(a.host.discovery, port)) !== "").toBe(strangers);
  expect((await saysTo(a.host.discovery, port, await authority.leaf("b"))) !== "").toBe(members);
});

test("credentials are read where server.cfg says", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair();
  const elsewhere = await testMember();
  placeCredentials(elsewhere, "HA", await authority.leaf("elsewhere"), authority.certificate);
  const { certificates } = elsewhere.server.folder;
  a.server.folder.setCfg("KeyStore", `${certificates}/keystore`);
  a.server.folder.setCfg("TrustedCertificateDir", `${certificates}/truststore`);
  await start(a, b);
  expect(await shownSubject(a.host.discovery, 9084)).toBe("CN=elsewhere");
});

test("a member whose shell cannot copy certificates stops with 506", async () => {
  const [a, b] = await testPair({}, { certificateSyncFails: true });
  await start(a, b);
  await untilStopped(b, 506);
  await untilPair(a, { NewRole: "PRIMARY", ActiveNodes: 1 });
});

test("a CRL keeps a revoked certificate out at the accepting side", async () => {
  const authority = await memberAuthority("Members");
  const [a] = await testPair();
  placeCredentials(a, "HA", await authority.leaf("a"), authority.certificate);
  const [revoked, good] = [await authority.leaf("revoked"), await authority.leaf("good")];
  place(a.server, "truststore/HA_crl/crl.pem", await revocationList(authority, revoked));
  await start(a);
  expect(await saysTo(a.host.discovery, 9084, good)).toContain(`"hello"`);
  expect(await saysTo(a.host.discovery, 9084, revoked)).toBe("");
});
