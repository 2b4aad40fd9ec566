import { createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { DomainError, type AuthorityId } from "../kit/index.ts";
import { parseCertificatesPem, type Certificate, type CertificateTemplate } from "../pki/index.ts";
import { currentSequence, keyPairOf } from "../keys/index.ts";
import { desireOwn, nodeFixture, nodeHostId } from "../../test/support/node-fixture.ts";
import { knownProcess } from "../../test/support/test-domain.ts";
import type { AdminLink } from "./admin-link.ts";
import { installIssued } from "./credential-folder.ts";
import { IssuanceJournal } from "./issuance-journal.ts";
import { LocalIssuing } from "./local-issuing.ts";

/** A Node Manager that nobody answers, and the CA of its certificate at hand. */
async function aloneNode() {
  const node = await nodeFixture();
  const { state, domain } = node;
  const anm = await domain.nodeManager("host-9", { authorityId: "management-1", role: "anm" });
  domain.publish({ admins: [knownProcess("nodemanager-9", "anm", "host-9", [anm])] });
  state.trust.accept(domain.trust.recent);
  desireOwn(node, { presentableSequence: 1 });
  const keys = keyPairOf(createPrivateKey(state.identity.keyPem));
  const again = async (template: Partial<CertificateTemplate> = {}, authorityId = "management-1") =>
    (await domain.nodeManager(nodeHostId, { authorityId, keys, template })).certificate;
  const issuing = () => new LocalIssuing(state, { reload: async () => {} });
  const entries = async () => (await IssuanceJournal.open(state.layout.issuanceJournal)).entries;
  return { ...node, keys, again, issuing, entries };
}

const caOf = (pem: string): Certificate => parseCertificatesPem(pem)[0] as Certificate;

test("a certificate for the key in use is in the journal and presented, once, with a number that nobody else gives", async () => {
  const { state, own, again, issuing, entries } = await aloneNode();
  const before = state.identity;
  const local = issuing();
  const { signing, requests } = await local.request({ processes: [], signer: null });
  expect([signing, requests]).toEqual(["generated", []]);
  const certificate = await again();
  for (let times = 0; times < 2; times++)
    expect(await local.take([certificate])).toEqual([
      expect.objectContaining({ id: own, differences: [] }),
    ]);
  expect(await entries()).toEqual([
    expect.objectContaining({ number: 1, credentialId: own, sequence: 1001 }),
  ]);
  expect(await currentSequence(state.layout.nodeCredential)).toBe(1001);
  expect(state.identity.serial).toBe(certificate.serialHex);
  expect(state.identity.keyPem).toBe(before.keyPem);
  // The first one is kept, and is no news either.
  const [first] = parseCertificatesPem(before.certificatePem);
  expect((await local.take(first === undefined ? [] : [first]))[0]?.differences).toEqual([]);
  expect(await entries()).toHaveLength(1);
});

test.each<[string, string, Partial<CertificateTemplate>]>([
  ["another subject", "subject", { subject: { der: new Uint8Array([48, 0]), rdns: [] } }],
  [
    "another alternative name",
    "subject alternative name",
    { subjectAltName: [{ type: "dns", value: "other.test" }] },
  ],
  ["an end that is near", "validity", { notAfterMs: Math.ceil(Date.now() / 1000) * 1000 + 60_000 }],
])("a certificate with %s is refused, and leaves nothing", async (_what, field, template) => {
  const { state, again, issuing, entries } = await aloneNode();
  const subjectAltName = template.subject && [
    { type: "uri", value: `spiffe://domain.example/nm/${nodeHostId}` } as const,
  ];
  const certificate = await again({ ...template, ...(subjectAltName && { subjectAltName }) });
  const [submission] = await issuing().take([certificate]);
  expect(submission?.differences.map((each) => each.field)).toContain(field);
  expect(await entries()).toEqual([]);
  expect(await currentSequence(state.layout.nodeCredential)).toBe(1);
});

test("a serial number that the CA has used here is refused, and another key is not this host's", async () => {
  const { domain, again, issuing } = await aloneNode();
  const local = issuing();
  const one = await again();
  await local.take([one]);
  const serial = Uint8Array.from(Buffer.from(one.serialHex, "hex"));
  const [reused] = await local.take([await again({ serial })]);
  expect(reused?.differences).toEqual([expect.objectContaining({ field: "serial number" })]);
  const { certificate } = await domain.nodeManager(nodeHostId, { authorityId: "management-1" });
  expect(await local.take([certificate])).toEqual([expect.objectContaining({ id: null })]);
});

test("a CA that is not proven to be trusted by others is refused with their hosts, before anything is signed", async () => {
  const { domain, state, again, issuing, entries } = await aloneNode();
  await domain.addAuthority("management-2", "management");
  const signer = caOf(domain.caPem("management-2"));
  const ask = () => issuing().request({ processes: [], signer });
  await expect(ask()).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringMatching(/is not trusted by .*\(host-9\)/) as string,
  });
  domain.publish({ anchors: ["management-1", "management-2", "traffic-1"] });
  state.trust.accept(domain.trust.recent);
  await expect(ask()).rejects.toMatchObject({
    message: expect.stringMatching(/nothing here says that .*\(host-9\) does too/) as string,
  });
  const [submission] = await issuing().take([await again({}, "management-2")]);
  expect(submission?.differences.map(({ field }) => field)).toEqual(["chain"]);
  expect(await entries()).toEqual([]);
});

test("what is in the journal and was not installed is installed at the next start, unless a newer one is there", async () => {
  const { state, own, again, issuing, keys, domain } = await aloneNode();
  const journal = await IssuanceJournal.open(state.layout.issuanceJournal);
  const certificate = await again();
  const { certificatePem } = (
    await domain.nodeManager(nodeHostId, { authorityId: "management-1", keys })
  ).identity;
  const entry = {
    atMs: 1,
    credentialId: own,
    authorityId: "management-1" as AuthorityId,
    sequence: 1001,
    certificatePem,
  };
  await journal.append(entry);
  await issuing().resume();
  expect(await currentSequence(state.layout.nodeCredential)).toBe(1001);
  expect(state.identity.serial).not.toBe(certificate.serialHex);
  const text = await readFile(state.layout.issuanceJournal, "utf8");
  await issuing().resume();
  expect(await readFile(state.layout.issuanceJournal, "utf8")).toBe(text);
  await journal.append({ ...entry, sequence: 1002 });
  const newer = await domain.nodeManager(nodeHostId, { authorityId: "management-1" });
  await installIssued(
    state.layout.nodeCredential,
    { privateKey: newer.keys.privateKey, keys: state.keys },
    newer.identity.certificatePem,
    { authorityId: "management-1", sequence: 1003, renewFromMs: 1, renewUntilMs: 2 },
  );
  await issuing().resume();
  expect(await currentSequence(state.layout.nodeCredential)).toBe(1001);
});

test("the journal is shown at each new connection, from where the Admin Node Managers are, before all else", async () => {
  const { state, again, issuing } = await aloneNode();
  const local = issuing();
  await local.take([await again()]);
  await local.take([await again()]);
  const shown: number[][] = [];
  let merged = 0;
  let failure: DomainError | null = new DomainError("unreachable", "gone");
  const link = {
    call: async (_name: string, { body }: { body: { entries: { number: number }[] } }) => {
      if (failure !== null) throw failure;
      shown.push(body.entries.map(({ number }) => number));
      if (body.entries[0]?.number === merged + 1) merged = body.entries.at(-1)?.number ?? 0;
      return { merged };
    },
  } as unknown as AdminLink;
  expect(await local.report(link)).toBe(false);
  state.isConnected = true;
  expect(await local.report(link)).toBe(false);
  failure = null;
  expect(await local.report(link)).toBe(true);
  expect(await local.report(link)).toBe(true);
  expect(shown).toEqual([[1, 2]]);
  // One that was restored from a backup has the first one only, and asks for the rest.
  merged = 1;
  state.isConnected = false;
  await local.report(link);
  state.isConnected = true;
  expect(await local.report(link)).toBe(true);
  expect(shown).toEqual([[1, 2], [1, 2], [2]]);
});
