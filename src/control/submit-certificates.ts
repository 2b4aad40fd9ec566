import { DomainError, type CredentialId } from "../kit/index.ts";
import type { Authority, SigningRequest } from "../domain/index.ts";
import {
  bytesEqual,
  certificateFingerprint,
  certificateText,
  differencesFromRequest,
  formatName,
  isAuthorityCertificate,
  issuanceDifferences,
  parseCertificatesPem,
  parseRequestPem,
  spkiFingerprint,
  type Certificate,
  type CertificateDifference,
} from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreView } from "./ports.ts";

/** What became of one certificate that was brought. */
export interface Submission {
  /** The credential whose request it answers; null: none of those that wait. */
  readonly id: CredentialId | null;
  /** Subject and serial. */
  readonly certificate: string;
  /** Why it was not taken, point by point; empty: it was. */
  readonly differences: readonly CertificateDifference[];
}

/** A certificate that ends sooner would have to be asked for again at once. */
const lifetimeSecondsMin = 3600;

/**
 * Takes certificates that were signed elsewhere, in any order and with those of CAs among them: each
 * answers the waiting request for its key, and is checked against it. What is right is taken, and in
 * the issuance log, even if others are not.
 */
export async function submitCertificates(
  env: ControlEnvironment,
  {
    certificates,
    actor,
  }: { readonly certificates: readonly Certificate[]; readonly actor: string },
): Promise<Submission[]> {
  const submissions: Submission[] = [];
  for (const certificate of certificates) {
    if (isAuthorityCertificate(certificate)) continue;
    submissions.push(await submitOne(env, certificate, certificates, actor));
  }
  return submissions;
}

async function submitOne(
  env: ControlEnvironment,
  certificate: Certificate,
  others: readonly Certificate[],
  actor: string,
): Promise<Submission> {
  const spki = spkiFingerprint(certificate.spki, env.crypto);
  const text = certificateText(certificate);
  const found = await env.store.read((view) => findRequest(view, certificate, spki));
  if (found === null)
    return {
      id: null,
      certificate: text,
      differences: [
        { field: "public key", wanted: "the key of a request that waits", got: `SHA-256 ${spki}` },
      ],
    };
  const { request, authority } = found;
  const differences = [
    ...(await usedSerial(env, request, certificate)),
    ...differencesFromRequest(parseRequestPem(request.requestPem), certificate, env.crypto),
    ...issuanceDifferences(
      {
        certificate,
        intermediates: [...parseCertificatesPem(authority.intermediatesPem), ...others],
        anchors: parseCertificatesPem(authority.certificatePem),
        atMs: env.clock.nowMs(),
        lifetimeSecondsMin,
      },
      env.crypto,
    ),
  ];
  if (differences.length === 0) await take(env, request, certificate, actor);
  return { id: request.id, certificate: text, differences };
}

/** The waiting request for the key; else one for the subject, to say that the key is another. */
async function findRequest(
  view: StoreView,
  certificate: Certificate,
  spki: string,
): Promise<{ request: SigningRequest; authority: Authority } | null> {
  const waiting = await view.signingRequests.all();
  const subject = formatName(certificate.subject);
  const request =
    waiting.find((each) => each.spki === spki) ??
    waiting.find(({ requestPem }) => formatName(parseRequestPem(requestPem).subject) === subject);
  const authority = request && (await view.authorities.get(request.authorityId));
  return request === undefined || authority === undefined ? null : { request, authority };
}

/** Puts the certificate into the issuance log and lets its host take it, unless that was done. */
async function take(
  env: ControlEnvironment,
  { id, spki }: SigningRequest,
  certificate: Certificate,
  actor: string,
): Promise<void> {
  const serial = certificate.serialHex;
  const entry = { actor, action: "certificate.submit", subject: id, detail: { serial } };
  await env.store.write(entry, async (tx) => {
    const request = await tx.signingRequests.get(id);
    if (request?.spki !== spki)
      throw new DomainError("conflict", `another certificate of ${id} is waited for by now`);
    if (request.signedSerial === serial) return;
    await tx.issuances.append({
      authorityId: request.authorityId,
      serial,
      kind: "leaf",
      credentialId: id,
      sequence: null,
      subject: formatName(certificate.subject),
      fingerprint: certificateFingerprint(certificate, env.crypto),
      spki,
      notBeforeMs: certificate.notBeforeMs,
      notAfterMs: certificate.notAfterMs,
      issuedAtMs: env.clock.nowMs(),
      der: certificate.der,
    });
    await tx.signingRequests.put({ ...request, signedSerial: serial });
  });
}

/**
 * A serial that the CA gave to another certificate before. A CA that was given up and taken again is
 * the same CA.
 */
function usedSerial(
  env: ControlEnvironment,
  { authorityId }: SigningRequest,
  { serialHex, der }: Certificate,
): Promise<CertificateDifference[]> {
  return env.store.read(async (view) => {
    const all = await view.authorities.all();
    const own = all.find(({ id }) => id === authorityId);
    const same = all.filter(({ fingerprint }) => fingerprint === own?.fingerprint);
    const found = await Promise.all(same.map(({ id }) => view.issuances.find(id, serialHex)));
    const used = found.find((issuance) => issuance !== undefined && !bytesEqual(issuance.der, der));
    if (used === undefined) return [];
    const got = `${serialHex}, which is that of ${used.credentialId ?? used.subject}`;
    return [{ field: "serial number", wanted: "one that the CA did not use before", got }];
  });
}
