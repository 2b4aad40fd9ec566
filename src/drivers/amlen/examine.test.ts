import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:tls";
import { expect, test } from "vitest";
import { amlenMember, type AmlenMemberChanges } from "../../../test/support/amlen-member.ts";
import { onEnd } from "../../../test/support/cleanup.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import {
  memberAuthority,
  selfSignedLeaf,
} from "../../../test/simulators/amlen/member-certificates.ts";
import {
  call,
  configure,
  place,
  placeCredentials,
  start,
  testMember,
  testPair,
  untilPair,
  untilPaired,
  untilStopped,
  type TestMember,
} from "../../../test/simulators/amlen/test-members.ts";
import type { Finding } from "../../domain/index.ts";
import { examineMember } from "../examine.ts";

async function findingsOf(
  member: TestMember,
  changes: AmlenMemberChanges = {},
): Promise<Finding[]> {
  const nowMs = Date.now();
  const names = ["one.example"];
  const context = { subject: "member-1", nowMs, domainNowMs: nowMs, names, peerAnchors: null };
  const found = await examineMember(await amlenMember(member, changes), context);
  // The tests' servers ask nobody for a password, and their files are not secret.
  return found.filter(({ code }) => code !== "admin-port-open" && code !== "file-permissions");
}

const codesOf = async (member: TestMember): Promise<string[]> => [
  ...new Set((await findingsOf(member)).map(({ code }) => code)),
];

async function textOf(member: TestMember, code: string): Promise<string> {
  const found = (await findingsOf(member)).filter((finding) => finding.code === code);
  return found.map(({ text }) => text).join("\n");
}

test("a pair with credentials of its own has no findings", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair();
  const leaf = await authority.leaf("pair");
  for (const member of [a, b]) placeCredentials(member, "HA", leaf, authority.certificate);
  await start(a, b);
  await untilPaired(a, b);
  for (const member of [a, b]) expect(await codesOf(member)).toEqual([]);
});

test("a server that anybody may configure is one finding, and one that asks for a password is none", async () => {
  const open = await testMember();
  const nowMs = Date.now();
  const context = { subject: "member-1", nowMs, domainNowMs: null, names: [], peerAnchors: null };
  await start(open);
  expect(await examineMember(await amlenMember(open), context)).toMatchObject([
    { code: "admin-port-open", severity: "warning", subject: "member-1" },
  ]);
});

test.each([
  ["no files", [], "HA_cert.pem"],
  [
    "the names of the documentation",
    ["ha_cert.pem", "ha_key.pem"],
    "ha_key.pem has to be named HA_key.pem",
  ],
  [
    "the name of the container's script",
    ["HA_crt.pem", "HA_key.pem"],
    "HA_crt.pem has to be named HA_cert.pem",
  ],
  [
    "the name that genrsa is given",
    ["HA_cert.pem", "ha_keydata"],
    "ha_keydata has to be named HA_key.pem",
  ],
])(
  "traps 1, 2 and 3: with %s a pair is found to use built-in credentials",
  async (_, names, text) => {
    const authority = await memberAuthority("Members");
    const [a, b] = await testPair();
    for (const member of [a, b]) {
      const { certificate, key } = await authority.leaf("member");
      const [certificateName, keyName] = names;
      if (certificateName !== undefined)
        place(member.server, `keystore/${certificateName}`, certificate);
      if (keyName !== undefined) place(member.server, `keystore/${keyName}`, key);
      place(member.server, "truststore/HA_cafile.pem", authority.certificate);
    }
    await start(a, b);
    await untilPaired(a, b);
    for (const member of [a, b])
      expect(await textOf(member, "well-known-credentials")).toContain(text);
  },
);

test("trap 4: credentials without a CA are found, and why the members have stopped", async () => {
  const leaf = await selfSignedLeaf("pair");
  const [a, b] = await testPair({ DiscoveryTimeout: 60 });
  for (const member of [a, b]) placeCredentials(member, "HA", leaf);
  await start(a, b);
  expect(await codesOf(a)).toEqual(expect.arrayContaining(["no-trusted-ca"]));
  await untilStopped(a, 509);
  expect(await textOf(a, "stopped-in-maintenance")).toContain(
    "not trusted or whose key does not match (509)",
  );
});

test("traps 8 and 9: a peer that does not trust us, which no status shows, is found on both sides", async () => {
  const [one, two] = [await memberAuthority("One"), await memberAuthority("Two")];
  const [a, b] = await testPair();
  placeCredentials(a, "HA", await one.leaf("a"), one.certificate);
  placeCredentials(b, "HA", await two.leaf("b"), two.certificate);
  await start(a, b);
  for (const member of [a, b]) {
    expect(await codesOf(member)).toEqual([
      "peer-does-not-trust-us",
      "peer-not-trusted",
      "pair-credentials-differ",
    ]);
    expect(await textOf(member, "peer-does-not-trust-us")).toContain("HA_cert.pem");
  }
});

test("trap 10: members that a split-brain has stopped are found, though they give no reason", async () => {
  const [a, b] = await testPair();
  await start(a, b);
  await untilPaired(a, b);
  a.server.cut("discovery");
  a.server.cut("replication");
  for (const member of [a, b]) await untilPair(member, { NewRole: "PRIMARY", ActiveNodes: 1 });
  a.server.heal();
  await untilStopped(a, 0);
  expect(await textOf(a, "stopped-in-maintenance")).toContain(
    "after a split-brain neither member does",
  );
});

test("trap 7: members that have a credential each are found before one replaces the other's", async () => {
  const authority = await memberAuthority("Members");
  const [a, b] = await testPair();
  const { certificate: cert, key } = await authority.leaf("two");
  placeCredentials(a, "HA", await authority.leaf("one"), authority.certificate);
  const other = createServer({ cert, key }, (socket) => {
    socket.on("error", () => socket.destroy());
    onEnd(() => socket.destroy());
  });
  await new Promise<void>((resolve) => other.listen(9084, b.host.discovery, resolve));
  onEnd(() => other.close());
  await start(a);
  expect(await textOf(a, "pair-credentials-differ")).toContain("shows CN=two");
});

test("a certificate that was replaced since the start is found on the port and in the file", async () => {
  const authority = await memberAuthority("Members");
  const [a] = await testPair();
  placeCredentials(a, "HA", await authority.leaf("first"), authority.certificate);
  await start(a);
  placeCredentials(a, "HA", await authority.leaf("second"), authority.certificate);
  expect(await textOf(a, "served-differs")).toMatch(/shows CN=first .* holds CN=second/);
});

test("a key of another certificate, one that expired, and one of another CA are found in the files", async () => {
  const [authority, other] = [await memberAuthority("Members"), await memberAuthority("Other")];
  const [a] = await testPair();
  const [one, two] = [await authority.leaf("one"), await authority.leaf("two")];
  await start(a);
  const codesWith = async (leaf: { certificate: string; key: string }): Promise<string[]> => {
    placeCredentials(a, "HA", leaf, authority.certificate);
    return codesOf(a);
  };
  expect(await codesWith({ ...one, key: two.key })).toContain("key-mismatch");
  const expired = await authority.leaf("late", { notAfterMs: Date.now() - 60_000 });
  expect(await codesWith(expired)).toContain("certificate-expired");
  expect(await codesWith(await other.leaf("stranger"))).toContain("wrong-ca");
  expect(await codesWith(await authority.leaf("rsa", { algorithm: "rsa-2048" }))).toContain(
    "rsa-needs-tls13",
  );
});

const clusterOf = (member: TestMember, others: readonly TestMember[], changes: object = {}): void =>
  configure(member, "ClusterMembership", {
    EnableClusterMembership: true,
    ClusterName: "cluster",
    UseMulticastDiscovery: false,
    DiscoveryServerList: others.map(({ host }) => `${host.admin}:9104`).join(","),
    ControlAddress: member.host.admin,
    MessagingUseTLS: true,
    ...changes,
  });

test("trap 13: a messaging port that speaks no TLS is found, though its status is well", async () => {
  const a = await testMember({ messagingPortWithoutTls: true });
  clusterOf(a, [a]);
  const authority = await memberAuthority("Members");
  placeCredentials(a, "Cluster", await authority.leaf("a"), authority.certificate);
  await start(a);
  expect(await textOf(a, "port-without-tls")).toContain(`${a.host.admin}:9105 (messaging)`);
}, 20_000);

test("a member of a cluster with other credentials is found by the others, by name", async () => {
  const [one, two] = [await memberAuthority("One"), await memberAuthority("Two")];
  const [a, b] = [await testMember(), await testMember()];
  for (const [member, authority] of [
    [a, one],
    [b, one],
  ] as const) {
    clusterOf(member, [a, b]);
    placeCredentials(member, "Cluster", await authority.leaf("member"), authority.certificate);
  }
  await start(a, b);
  await waitUntil(async () => (await clusterCounts(a)) === "1/0", {
    deadlineMs: 5_000,
    what: "it",
  });
  expect(await codesOf(a)).toEqual([]);
  b.server.kill();
  placeCredentials(b, "Cluster", await two.leaf("member"), two.certificate);
  await start(b);
  await waitUntil(async () => (await clusterCounts(a)) === "0/1", {
    deadlineMs: 5_000,
    what: "it",
  });
  expect(await codesOf(a)).toEqual([
    "peer-does-not-trust-us",
    "peer-not-trusted",
    "cluster-member-inactive",
  ]);
  expect(await textOf(a, "cluster-member-inactive")).toContain(b.server.name);
});

async function clusterCounts(member: TestMember): Promise<string> {
  const { body } = await call(member, "GET", "service/status/Cluster");
  const { ConnectedServers, DisconnectedServers } = body["Cluster"] as Record<string, number>;
  return `${ConnectedServers}/${DisconnectedServers}`;
}

test.each([
  ["HA", false, "warning", "whoever shows no certificate at all"],
  ["HA", true, "info", "ignored"],
] as const)(
  "RequireCertificates that is false for %s, with own credentials %s, is said",
  async (_, own, severity, text) => {
    const [a] = await testPair({ RequireCertificates: false });
    const authority = await memberAuthority("Members");
    if (own) placeCredentials(a, "HA", await authority.leaf("a"), authority.certificate);
    await start(a);
    const found = (await findingsOf(a)).filter(({ code }) => code === "require-certificates");
    expect(found).toMatchObject([{ severity, text: expect.stringContaining(text) as string }]);
  },
);

test("what is switched off is no finding of files; a pair without TLS is one", async () => {
  const [a] = await testPair({ UseSecuredConnections: false });
  await start(a);
  expect(await codesOf(a)).toEqual(["members-without-tls"]);
});

test("folders that the server does not read are found", async () => {
  const a = await testMember();
  await start(a);
  const found = await findingsOf(a, { variables: { keystore: "/srv/keys" } });
  expect(found).toMatchObject([{ code: "wrong-folder" }]);
});

test("a server that does not answer leaves its files to be judged", async () => {
  const authority = await memberAuthority("Members");
  const [a] = await testPair();
  placeCredentials(a, "HA", await authority.leaf("a"), authority.certificate);
  const keystore = join(a.server.folder.certificates, "keystore");
  await rename(join(keystore, "HA_key.pem"), join(keystore, "HA_Key.pem"));
  const codes = await codesOf(a);
  expect(codes).toEqual(expect.arrayContaining(["file-misnamed", "member-not-answering"]));
  await rm(join(keystore, "HA_Key.pem"));
  await writeFile(join(keystore, "HA_key.pem"), "half");
  expect(await textOf(a, "file-unreadable")).toContain("HA_key.pem");
});
