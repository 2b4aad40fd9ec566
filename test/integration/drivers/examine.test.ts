import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  examineMember,
  installGenerationOf,
  type ExaminationContext,
  type Material,
  type MemberAt,
} from "../../../src/drivers/index.ts";
import { certificatesPem, generateKeyPair, privateKeyToPem } from "../../../src/keys/index.ts";
import { dayMs, openssl, testCertificate, type TestAuthority } from "../../support/certificates.ts";
import { onEnd } from "../../support/cleanup.ts";
import { realRoot, serverMaterial } from "../../support/driver-material.ts";
import { freePort } from "../../support/free-port.ts";
import { realServer, serverKinds, type RealServer } from "./servers.ts";

const [nginx, ...others] = serverKinds;
if (nginx?.driver !== "nginx") throw new Error("the first server is nginx");
const stunnel = others.find(({ driver }) => driver === "stunnel") ?? nginx;

async function running(material: Material, kind = nginx): Promise<RealServer> {
  if (kind === undefined) throw new Error("no server");
  const server = await realServer(kind);
  await installGenerationOf(server.member, { sequence: 1, material }, "stopped");
  server.start();
  await installGenerationOf(server.member, { sequence: 1, material }, "started");
  return server;
}

async function codesOf(
  member: MemberAt,
  changes: Partial<ExaminationContext> = {},
): Promise<string[]> {
  const nowMs = Date.now();
  const names = ["127.0.0.1", "host-1"];
  const context = { subject: "m", nowMs, domainNowMs: nowMs, names, peerAnchors: null, ...changes };
  const findings = await examineMember(member, context);
  for (const { text } of findings) expect(text).toMatch(/^one: .+: .+/);
  return findings.map(({ code }) => code).toSorted();
}

/** `member` with one other member on this host, as its own description has it. */
function withPeer(member: MemberAt, { member: { description, values } }: RealServer): MemberAt {
  const peer = {
    name: "two",
    address: "127.0.0.1",
    pair: null,
    values,
    served: description.served,
  };
  return { ...member, others: [peer] };
}

async function material(
  authority: TestAuthority,
  fromMs: number,
  toMs: number,
): Promise<Pick<Material, "key" | "leaf">> {
  const { privateKey, spki } = await generateKeyPair("ecdsa-p256");
  const leaf = testCertificate(authority, spki, {
    notBeforeMs: Date.now() + fromMs,
    notAfterMs: Date.now() + toMs,
  });
  return { key: privateKey, leaf };
}

interface Place {
  readonly key: string;
  readonly certificate: string;
  readonly trust: string;
  readonly authority: TestAuthority;
}

async function put(
  { key, certificate }: Place,
  given: Pick<Material, "key" | "leaf">,
): Promise<void> {
  await writeFile(key, privateKeyToPem(given.key));
  await writeFile(certificate, certificatesPem([given.leaf]));
}

type Fault = (place: Place) => Promise<Partial<ExaminationContext> | void>;

const faults: readonly (readonly [string, string[], Fault])[] = [
  ["nothing wrong", [], () => Promise.resolve()],
  [
    "the key of another certificate",
    ["key-mismatch"],
    async ({ key, authority }) =>
      writeFile(key, privateKeyToPem((await serverMaterial(authority)).key)),
  ],
  [
    "a certificate that expired",
    ["certificate-expired", "served-differs"],
    async (place) => put(place, await material(place.authority, -2 * dayMs, -60_000)),
  ],
  [
    "a certificate that is not valid yet",
    ["certificate-not-yet-valid", "served-differs"],
    async (place) => put(place, await material(place.authority, 60_000, dayMs)),
  ],
  [
    "a certificate of another CA",
    ["served-differs", "wrong-ca"],
    async (place) => put(place, await serverMaterial(await realRoot("CN=Other"))),
  ],
  [
    "a CA that its peers do not trust",
    ["wrong-ca"],
    async () => ({ peerAnchors: [(await realRoot("CN=Other")).certificate] }),
  ],
  [
    "files that the server has not read",
    ["served-differs"],
    async (place) => put(place, await serverMaterial(place.authority)),
  ],
  ["a name of its service missing", ["wrong-name"], async () => ({ names: ["mail.example"] })],
  ["a clock that is wrong", ["clock-wrong"], async () => ({ domainNowMs: Date.now() - 120_000 })],
  [
    "a clock by which the certificate is over",
    ["certificate-expired", "clock-wrong"],
    async () => ({ nowMs: Date.now() + 40 * dayMs }),
  ],
  ["a key that others may read", ["file-permissions"], ({ key }) => chmod(key, 0o644)],
  [
    "a certificate that its server may not read",
    ["file-permissions"],
    ({ certificate }) => chmod(certificate, 0o600),
  ],
  ["a key that is gone", ["file-missing"], ({ key }) => rm(key)],
  [
    "a key of another spelling",
    ["file-misnamed"],
    ({ key }) => rename(key, key.replace("key.", "Key.")),
  ],
  [
    "half a certificate",
    ["file-unreadable"],
    async ({ certificate }) =>
      writeFile(certificate, (await readFile(certificate, "utf8")).slice(0, 200)),
  ],
  [
    "Debian's snakeoil certificate",
    ["served-differs", "well-known-credentials"],
    async ({ key, certificate }) => {
      const about = ["-x509", "-nodes", "-newkey", "rsa:2048", "-days", "9", "-subj", "/CN=debian"];
      openssl(["req", ...about, "-keyout", key, "-out", certificate]);
      return { snakeoilFile: certificate };
    },
  ],
];

describe("an examination of nginx", () => {
  test.each(faults)("finds %s", async (_, codes, makeFault) => {
    const authority = await realRoot();
    const { member } = await running(await serverMaterial(authority));
    const at = (name: string): string => join(member.description.folder, "current", name);
    const place = {
      key: at("key.pem"),
      certificate: at("certificate.pem"),
      trust: at("trust.pem"),
      authority,
    };
    const changes = (await makeFault(place)) ?? {};
    expect(await codesOf(member, changes)).toEqual(codes);
  });

  test("finds a port without TLS, and one on which nobody listens", async () => {
    const server = await realServer(nginx);
    const material = await serverMaterial(await realRoot());
    await installGenerationOf(server.member, { sequence: 1, material }, "stopped");
    expect(await codesOf(server.member)).toEqual(["port-closed"]);
    const text = await readFile(server.configuration, "utf8");
    await writeFile(server.configuration, text.replace(" ssl;", ";"));
    server.start();
    await expect.poll(() => codesOf(server.member)).toEqual(["port-without-tls"]);
  });

  test("finds a port that answers no handshake", async () => {
    const { member } = await running(await serverMaterial(await realRoot()));
    const port = await freePort();
    const deaf = createServer((socket) => socket.destroy()).listen(port, "127.0.0.1");
    onEnd(() => deaf.close());
    const description = { ...member.description, served: [{ host: "127.0.0.1", port }] };
    expect(await codesOf({ ...member, description })).toEqual(["port-without-tls"]);
  });
});

test.each([nginx, stunnel])(
  "members of $driver that do not trust each other are found, and those that do are not",
  async (kind) => {
    const [one, two] = [await realRoot("CN=One"), await realRoot("CN=Two")];
    const [first, second] = [await serverMaterial(one), await serverMaterial(two)];
    const server = await running(first, kind);
    const trusting = await running(await serverMaterial(one), kind);
    const stranger = await running(second, kind);
    const member = { ...server.member, anchors: [one.certificate] };
    expect(await codesOf(withPeer(member, trusting))).toEqual([]);
    expect(await codesOf(withPeer(member, stranger))).toEqual([
      "peer-does-not-trust-us",
      "peer-not-trusted",
    ]);
    await stranger.stop();
    expect(await codesOf(withPeer(member, stranger))).toEqual(["peer-unreachable"]);
  },
);
