import { expect, test } from "vitest";
import type { AuthorityId, HostId, ProcessId } from "../kit/index.ts";
import { credentialId, journalText, type LocalIssuance } from "../domain/index.ts";
import {
  encodePem,
  leafTemplate,
  type Certificate,
  type CertificateTemplate,
} from "../pki/index.ts";
import { generateKeyPair, requestForKey, type KeyPair } from "../keys/index.ts";
import { dayMs, testCertificate, testRoot } from "../../test/support/certificates.ts";
import {
  testActor as actor,
  testEnvironment,
  testExternalDomain,
} from "../../test/support/control-environment.ts";
import { issueCredential } from "./issue.ts";
import { nodeManagerNames } from "./leaf-names.ts";
import { mergeIssuances } from "./merge-issuances.ts";
import { publishTrust } from "./publish-trust.ts";
import { requestSignature } from "./signing-requests.ts";
import { submitCertificates } from "./submit-certificates.ts";

const hostId = "host-1" as HostId;
const id = credentialId("nodemanager-1" as ProcessId, "management");
const authorityId = "management-1" as AuthorityId;

/** A domain under an external CA whose first host has its certificate, and a journal to show. */
async function externalDomain() {
  const env = await testEnvironment();
  const { ca, host } = await testExternalDomain(env);
  const keys = await generateKeyPair("ecdsa-p256");
  const names = nodeManagerNames(host, "domain.example");
  const leaf = leafTemplate(names);
  const signed = (changes: Partial<CertificateTemplate> = {}, of: KeyPair = keys): Certificate =>
    testCertificate(ca, of.spki, {
      ...leaf,
      notAfterMs: env.clock.nowMs() + 400 * dayMs,
      ...changes,
    });
  const ask = async (of: KeyPair) => {
    const requestPem = await requestForKey(of.privateKey, names.subject, leaf);
    await requestSignature(env, { hostId, credentialId: id, requestPem, actor });
    return requestPem;
  };
  const requestPem = await ask(keys);
  const first = signed();
  await submitCertificates(env, { certificates: [first], actor });
  await issueCredential(env, {
    hostId,
    credentialId: id,
    requestPem,
    presentedSerial: null,
    actor,
  });

  const journal: LocalIssuance[] = [];
  const add = (certificate: Certificate, changes: Partial<LocalIssuance> = {}): LocalIssuance => {
    const last = journal.at(-1);
    const hash = (entry: LocalIssuance): string =>
      Buffer.from(env.crypto.sha256(Buffer.from(journalText(entry)))).toString("hex");
    const entry: LocalIssuance = {
      number: journal.length + 1,
      previous: last === undefined ? null : hash(last),
      atMs: 5,
      credentialId: id,
      authorityId,
      sequence: 1001 + journal.length,
      certificatePem: encodePem("CERTIFICATE", certificate.der),
      ...changes,
    };
    journal.push(entry);
    return entry;
  };
  const merge = (entries: readonly LocalIssuance[] = journal) =>
    mergeIssuances(env, { hostId, entries, actor });
  const credential = () => env.store.read((view) => view.credentials.get(id));
  const refused = async () =>
    (await env.store.read((view) => view.topology.host(hostId)))?.journal?.refused ?? [];
  const logged = ({ serialHex }: Certificate) =>
    env.store.read((view) => view.issuances.find(authorityId, serialHex));
  return { env, ca, first, keys, signed, ask, add, merge, credential, refused, logged, journal };
}

test("a journal is taken over once: log, audit and the key with its new certificate, however often it is shown", async () => {
  const { env, signed, add, merge, credential, refused, logged } = await externalDomain();
  const [one, two] = [signed(), signed()];
  const entry = add(one);
  add(two);
  expect(await merge([entry])).toBe(1);
  expect(await merge()).toBe(2);
  const count = () => env.store.read((view) => view.issuances.count());
  const before = await count();
  expect(await merge()).toBe(2);
  expect(await count()).toBe(before);
  for (const certificate of [one, two])
    expect(await logged(certificate)).toMatchObject({ credentialId: id, der: certificate.der });
  const { recorded = [], lastSequence, desired } = (await credential()) ?? {};
  expect(lastSequence).toBe(1002);
  expect(desired?.minSequence).toBe(1);
  expect(recorded.map(({ sequence, serial }) => [sequence, serial]).slice(-2)).toEqual([
    [1001, one.serialHex],
    [1002, two.serialHex],
  ]);
  expect(new Set(recorded.map(({ spki }) => spki)).size).toBe(1);
  const audit = await env.store.read((view) => view.audit.page({}, 1000));
  const merges = audit.filter(({ action }) => action === "certificate.merge");
  expect(merges.map(({ detail }) => [detail["number"], detail["refused"]])).toEqual([
    [1, null],
    [2, null],
  ]);
  expect(await refused()).toEqual([]);
});

test("entries that come before the next one are asked for, and a journal that was changed is refused once", async () => {
  const { env, signed, add, merge, refused, logged } = await externalDomain();
  const first = add(signed());
  const later = signed();
  const second = add(later);
  expect(await merge([second])).toBe(0);
  expect(await refused()).toEqual([]);
  expect(await merge([first])).toBe(1);
  const forged = { ...second, previous: "0".repeat(64) };
  expect(await merge([forged])).toBe(1);
  const revision = await env.store.revision();
  // Another first entry than the one that was taken over: the home was copied.
  expect(await merge([{ ...first, atMs: 6 }, second])).toBe(1);
  expect(await env.store.revision()).toBe(revision);
  expect(await refused()).toEqual([expect.objectContaining({ number: 2, serial: "" })]);
  expect(await logged(later)).toBeUndefined();
  expect(await merge()).toBe(2);
  expect(await refused()).toEqual([]);
});

test("a certificate for a key that waits answers its request, and its host takes it", async () => {
  const { env, signed, ask, add, merge, refused } = await externalDomain();
  await env.store.write({ actor, action: "test", subject: id, detail: {} }, async (tx) => {
    const wanted = await tx.credentials.get(id);
    if (wanted !== undefined)
      await tx.credentials.put({ ...wanted, desired: { ...wanted.desired, minSequence: 2 } });
  });
  const keys = await generateKeyPair("ecdsa-p256");
  const requestPem = await ask(keys);
  const certificate = signed({}, keys);
  add(certificate, { sequence: null });
  expect(await merge()).toBe(1);
  const of = { hostId, credentialId: id, requestPem, presentedSerial: null, actor };
  expect((await issueCredential(env, of)).serial).toBe(certificate.serialHex);
  expect(await refused()).toEqual([]);
});

test("a newer certificate that is wanted is still wanted after the same key has another one", async () => {
  const { env, signed, add, merge, credential } = await externalDomain();
  await env.store.write({ actor, action: "test", subject: id, detail: {} }, async (tx) => {
    const wanted = await tx.credentials.get(id);
    if (wanted !== undefined)
      await tx.credentials.put({ ...wanted, desired: { ...wanted.desired, minSequence: 2 } });
  });
  add(signed());
  expect(await merge()).toBe(1);
  expect((await credential())?.desired.minSequence).toBe(1002);
});

test.each<
  [string, RegExp, (of: Awaited<ReturnType<typeof externalDomain>>) => Promise<Certificate>]
>([
  [
    "has the serial number of another certificate",
    /serial number is that of another/,
    async ({ signed, first }) =>
      signed({ serial: Uint8Array.from(Buffer.from(first.serialHex, "hex")) }),
  ],
  [
    "has a key that is denied",
    /denied/,
    async ({ env, signed, credential }) => {
      const fingerprint = (await credential())?.recorded[0]?.spki ?? "";
      const deny = [{ kind: "key", fingerprint, reason: "lost" }] as const;
      await env.store.write({ actor, action: "test", subject: id, detail: {} }, (tx) =>
        publishTrust(tx, env, { deny }),
      );
      return signed();
    },
  ],
  [
    "has another key than the recorded one",
    /not the one that is recorded/,
    async ({ signed }) => signed({}, await generateKeyPair("ecdsa-p256")),
  ],
  [
    "is of a host that was revoked",
    /no credential of host-1 any more/,
    async ({ env, signed }) => {
      await env.store.write({ actor, action: "test", subject: id, detail: {} }, async (tx) => {
        const host = await tx.topology.host(hostId);
        if (host !== undefined) await tx.topology.putHost({ ...host, status: "revoked" });
      });
      return signed();
    },
  ],
])(
  "a certificate that %s does not count, is shown, and another one is wanted",
  async (_what, reason, make) => {
    const domain = await externalDomain();
    const { add, merge, credential, refused, logged } = domain;
    const certificate = await make(domain);
    add(certificate);
    expect(await merge()).toBe(1);
    expect(await refused()).toEqual([
      expect.objectContaining({
        credentialId: id,
        serial: certificate.serialHex,
        reason: expect.stringMatching(reason) as string,
      }),
    ]);
    const { recorded = [], desired } = (await credential()) ?? {};
    expect(recorded.some(({ sequence }) => sequence === 1001)).toBe(false);
    expect(desired?.minSequence).toBe(1002);
    // Issued is issued: only a serial that is there already cannot be there twice.
    expect(await logged(certificate)).toBeDefined();
  },
);

test("what the CA of the entry did not sign is in no log", async () => {
  const { add, merge, refused, logged, keys } = await externalDomain();
  const stranger = testCertificate(await testRoot({ subject: "CN=Corp Root" }), keys.spki, {});
  add(stranger);
  expect(await merge()).toBe(1);
  expect(await refused()).toHaveLength(1);
  expect(await logged(stranger)).toBeUndefined();
});
