import { expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import { credentialId } from "../domain/index.ts";
import {
  authorityProfile,
  leafTemplate,
  parseNameText,
  parseRequestPem,
  processProfile,
  type Certificate,
  type CertificateTemplate,
} from "../pki/index.ts";
import { generateKeyPair, requestForKey } from "../keys/index.ts";
import { dayMs, testCertificate, testNowMs, testRoot } from "../../test/support/certificates.ts";
import {
  testActor,
  testEnvironment,
  testExternalDomain,
} from "../../test/support/control-environment.ts";
import { issueCredential } from "./issue.ts";
import { nodeManagerNames } from "./leaf-names.ts";
import { cancelSigningRequest, requestSignature } from "./signing-requests.ts";
import { submitCertificates } from "./submit-certificates.ts";

const id = credentialId("nodemanager-1" as ProcessId, "management");
const of = { hostId: "host-1" as HostId, credentialId: id, actor: testActor };

/** A domain whose certificates an external CA signs; the request of its first host waits. */
async function waitingDomain() {
  const env = await testEnvironment();
  const { ca, host } = await testExternalDomain(env);
  const keys = await generateKeyPair("ecdsa-p256");
  const leaf = leafTemplate(nodeManagerNames(host, "domain.example"));
  const subject = "CN=nodemanager-1,OU=group-1,DC=host-1";
  const requestPem = await requestForKey(keys.privateKey, subject, leaf);
  await requestSignature(env, { ...of, requestPem });
  const signed = (changes: Partial<CertificateTemplate> = {}): Certificate =>
    testCertificate(ca, keys.spki, { ...leaf, ...changes });
  const submit = (...certificates: readonly Certificate[]) =>
    submitCertificates(env, { certificates, actor: testActor });
  const take = () => issueCredential(env, { ...of, requestPem, presentedSerial: null });
  return { env, ca, leaf, requestPem, signed, submit, take };
}

test("a certificate that was brought is in the log before its host takes it, and is taken once", async () => {
  const { env, ca, signed, submit, take } = await waitingDomain();
  await expect(take()).rejects.toMatchObject({ code: "awaiting-signature" });
  const certificate = signed();
  const brought = await submit(ca.certificate, certificate);
  expect(brought).toEqual([expect.objectContaining({ id, differences: [] })]);
  const logged = await env.store.read((view) =>
    view.issuances.find("management-1" as never, certificate.serialHex),
  );
  expect(logged?.der).toEqual(certificate.der);
  // Brought again before and after it was taken: it is the same one.
  expect((await submit(certificate))[0]?.differences).toEqual([]);
  const taken = await take();
  expect(taken.serial).toBe(certificate.serialHex);
  expect(taken.renewFromMs).toBeGreaterThan(testNowMs);
  expect((await take()).sequence).toBe(taken.sequence);
  expect((await submit(certificate))[0]).toMatchObject({ id, differences: [] });
  expect(await env.store.read((view) => view.signingRequests.all())).toEqual([]);
});

test("a request that asks for something else than its certificate is to say is refused", async () => {
  const { env, leaf } = await waitingDomain();
  const { privateKey } = await generateKeyPair("ecdsa-p256");
  const requestPem = await requestForKey(privateKey, "CN=nodemanager-1,OU=group-1,DC=host-1", {
    ...leaf,
    profile: processProfile("nm"),
  });
  await expect(requestSignature(env, { ...of, requestPem })).rejects.toMatchObject({
    code: "certificate-rejected",
  });
});

test("what was cancelled is not taken any more", async () => {
  const { env, signed, submit, take } = await waitingDomain();
  await cancelSigningRequest(env, id, testActor);
  expect((await submit(signed()))[0]).toMatchObject({ id: null });
  await expect(take()).rejects.toMatchObject({ code: "awaiting-signature" });
  await expect(cancelSigningRequest(env, id, testActor)).rejects.toMatchObject({
    code: "not-found",
  });
});

const subject = "CN=nodemanager-1,OU=group-1,DC=host-1";

test.each([
  [
    "the order of its name is another",
    { subject: parseNameText("DC=host-1,OU=group-1,CN=nodemanager-1") },
    {
      field: "order of the subject",
      wanted: subject,
      got: "DC=host-1,OU=group-1,CN=nodemanager-1",
    },
  ],
  [
    "its name is another's, as two were swapped",
    { subject: parseNameText("CN=nodemanager-2,OU=group-1,DC=host-2") },
    { field: "subject", wanted: subject, got: "CN=nodemanager-2,OU=group-1,DC=host-2" },
  ],
  [
    "an alternative name was dropped",
    { subjectAltName: [{ type: "uri", value: "spiffe://domain.example/anm/host-1" }] as const },
    { field: "subject alternative name", wanted: "DNS:alpha.example", got: "nothing" },
  ],
  [
    "its usages lack the one of an Admin Node Manager",
    { profile: processProfile("nm") },
    {
      field: "extended key usage",
      wanted: expect.stringContaining("ADMIN_NODE_MANAGER") as string,
      got: expect.not.stringContaining("ADMIN_NODE_MANAGER") as string,
    },
  ],
  [
    "it has expired",
    { notBeforeMs: testNowMs - 2 * dayMs, notAfterMs: testNowMs - dayMs },
    expect.objectContaining({ field: "validity" }) as object,
  ],
])("a certificate is refused with the difference if %s", async (_what, changes, difference) => {
  const { env, signed, submit, take } = await waitingDomain();
  const [submission] = await submit(signed(changes));
  expect(submission?.id).toBe(id);
  expect(submission?.differences).toContainEqual(difference);
  await expect(take()).rejects.toMatchObject({ code: "awaiting-signature" });
  expect(await env.store.read((view) => view.issuances.count())).toBe(1);
  // A good one after it completes the request.
  await submit(signed());
  await take();
});

test("a certificate for another key, or of another CA, is refused with the difference", async () => {
  const { ca, leaf, signed, submit } = await waitingDomain();
  const other = await generateKeyPair("ecdsa-p256");
  const [otherKey] = await submit(testCertificate(ca, other.spki, leaf));
  expect(otherKey).toMatchObject({ id, differences: [{ field: "public key" }] });
  const stranger = await testRoot({ subject: "CN=Corp Root" });
  const [otherChain] = await submit(testCertificate(stranger, signed().spki, leaf));
  expect(otherChain).toMatchObject({ id, differences: [{ field: "chain" }] });
});

test("a serial that the CA used before is refused", async () => {
  const { env, ca, leaf, signed, submit, take } = await waitingDomain();
  const first = signed();
  await submit(first);
  await take();
  const { privateKey, spki } = await generateKeyPair("ecdsa-p256");
  const requestPem = await requestForKey(privateKey, subject, leaf);
  await requestSignature(env, { ...of, requestPem });
  const serial = Uint8Array.from(Buffer.from(first.serialHex, "hex"));
  const [submission] = await submit(testCertificate(ca, spki, { ...leaf, serial }));
  expect(submission).toMatchObject({ id, differences: [{ field: "serial number" }] });
});

test("a certificate that was brought before is taken again, after another for its key and after its request was cancelled", async () => {
  const { env, requestPem, signed, submit, take } = await waitingDomain();
  const [first, second] = [signed(), signed()];
  for (const certificate of [first, second, first])
    expect(await submit(certificate)).toMatchObject([{ id, differences: [] }]);
  await cancelSigningRequest(env, id, testActor);
  await requestSignature(env, { ...of, requestPem });
  expect(await submit(first)).toMatchObject([{ id, differences: [] }]);
  expect((await take()).serial).toBe(first.serialHex);
});

test("a certificate by a CA that peers are not shown is refused, though that one was brought with it", async () => {
  const { ca, leaf, requestPem, submit } = await waitingDomain();
  const keys = await generateKeyPair("ecdsa-p256");
  const between = testCertificate(ca, keys.spki, {
    profile: authorityProfile("cross-certificate", 0),
    subject: parseNameText("CN=Other Issuing"),
    subjectAltName: [],
  });
  const { spki } = parseRequestPem(requestPem);
  const signed = testCertificate({ keys, certificate: between }, spki, leaf);
  const [submission] = await submit(signed, between);
  expect(submission?.differences).toMatchObject([{ field: "chain" }]);
  expect(submission?.differences[0]?.got).toContain("CN=Other Issuing");
});
