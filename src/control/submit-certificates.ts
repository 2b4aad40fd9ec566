import { DomainError, type CredentialId } from "../kit/index.ts";
import type { Authority, SigningRequest } from "../domain/index.ts";
import {
  bytesEqual,
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
import { issuanceOf } from "./issuance-of.ts";
import { findIssued } from "./find-issued.ts";
import type { Issuance, StoreTransaction, StoreView } from "./ports.ts";

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
    submissions.push(await submitOne(env, certificate, actor));
  }
  return submissions;
}

async function submitOne(
  env: ControlEnvironment,
  certificate: Certificate,
  actor: string,
): Promise<Submission> {
  const spki = spkiFingerprint(certificate.spki, env.crypto);
  const text = certificateText(certificate);
  const { found, taken } = await env.store.read(async (view) => ({
    found: await findRequest(view, certificate, spki),
    taken: await findTaken(view, certificate),
  }));
  if (taken !== undefined && found?.request.spki !== spki)
    return { id: taken.credentialId, certificate: text, differences: [] };
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
        // What peers are shown with it, and nothing that was only brought here.
        intermediates: parseCertificatesPem(authority.intermediatesPem),
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

/** The same certificate, where it was brought before and its host has taken it. */
async function findTaken(
  view: StoreView,
  { serialHex, der }: Certificate,
): Promise<Issuance | undefined> {
  for (const { id } of await view.authorities.all()) {
    const issuance = await view.issuances.find(id, serialHex);
    if (issuance !== undefined && bytesEqual(issuance.der, der)) return issuance;
  }
  return undefined;
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
    await record(tx, env, request, certificate);
    await tx.signingRequests.put({ ...request, signedSerial: serial });
  });
}

/** Appends it to the log; one that was brought before is there. */
async function record(
  tx: StoreTransaction,
  env: ControlEnvironment,
  request: SigningRequest,
  certificate: Certificate,
): Promise<void> {
  const { authorityId, id: credentialId } = request;
  const { serialHex: serial } = certificate;
  const known = await findIssued(tx, authorityId, serial);
  if (known !== undefined) {
    if (isAnswer(known, request, certificate)) return;
    throw new DomainError("conflict", `the CA has used the serial number ${serial} meanwhile`);
  }
  const of = { authorityId, kind: "leaf", credentialId } as const;
  await tx.issuances.append(issuanceOf(env, certificate, of));
}

/** A serial that the CA gave to another certificate before, or to this one for something else. */
async function usedSerial(
  env: ControlEnvironment,
  request: SigningRequest,
  certificate: Certificate,
): Promise<CertificateDifference[]> {
  const { serialHex } = certificate;
  const used = await env.store.read((view) => findIssued(view, request.authorityId, serialHex));
  if (used === undefined || isAnswer(used, request, certificate)) return [];
  const got = `${serialHex}, which is that of ${used.credentialId ?? used.subject}`;
  return [{ field: "serial number", wanted: "one that the CA did not use before", got }];
}

/** True if this very certificate was brought for the credential before. */
function isAnswer(
  { authorityId, credentialId, der }: Issuance,
  request: SigningRequest,
  certificate: Certificate,
): boolean {
  const isSame = bytesEqual(der, certificate.der);
  return isSame && authorityId === request.authorityId && credentialId === request.id;
}
