import { DomainError, toHex, type AuthorityId } from "../kit/index.ts";
import type { Authority, AuthorityUsage } from "../domain/index.ts";
import {
  authorityProfile,
  certificateFingerprint,
  completeCertificate,
  encodePem,
  formatName,
  parseCertificate,
  parseCertificatesPem,
  parseNameText,
  prepareCertificate,
  randomSerial,
  spkiFingerprint,
  type Certificate,
  type CertificateTemplate,
  type Issuer,
  type SigningTicket,
} from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreTransaction } from "./ports.ts";

/** Subject of the nth traffic CA: it names the domain, since callers outside may know several. */
export function trafficSubject(number: number, domainId: string): string {
  return `CN=Traffic CA ${number},OU=${domainId}`;
}

export interface AuthorityRequest {
  readonly id: AuthorityId;
  readonly usage: AuthorityUsage;
  readonly subject: string;
  /** The authority that cross-signs the new one; null for the first of its usage. */
  readonly predecessor: Authority | null;
  /** Every root that the domain ever had: the new one's name must differ from each. */
  readonly earlier: readonly Certificate[];
}

export interface NewAuthority {
  /** With status `next`. */
  readonly authority: Authority;
  readonly root: Certificate;
  /** Appends the root and the cross-certificate to the issuance log. */
  record(tx: StoreTransaction): Promise<void>;
}

/**
 * Makes an authority: its key (or the one made by an earlier try with the same id), its root, and
 * its key certified by the predecessor. Nothing is stored; the caller's transaction does that.
 */
export async function makeAuthority(
  env: ControlEnvironment,
  request: AuthorityRequest,
): Promise<NewAuthority> {
  const { id, usage, predecessor } = request;
  const spki = await env.authorityKeys.create(id);
  const nowMs = Math.floor(env.clock.nowMs() / 1000) * 1000;
  const template = (
    profile: "root" | "cross-certificate",
    notAfterMs: number,
  ): CertificateTemplate => ({
    profile: authorityProfile(profile, profile === "root" ? 1 : 0),
    serial: randomSerial(env.rng),
    subject: parseNameText(request.subject),
    spki,
    subjectAltName: [],
    notBeforeMs: nowMs - env.policy.backdateSeconds * 1000,
    notAfterMs,
  });
  const sign = async (
    signer: AuthorityId,
    wanted: CertificateTemplate,
    issuer: Issuer,
  ): Promise<SignedAuthority> => {
    const ticket = prepareCertificate(wanted, issuer, env.crypto);
    const der = completeCertificate(ticket, await env.authorityKeys.sign(signer, ticket.tbs));
    return { ticket, signer, der };
  };
  const endMs = nowMs + env.policy.authorityLifetimeSeconds * 1000;
  const root = await sign(id, template("root", endMs), {
    kind: "self",
    earlierRoots: request.earlier,
  });
  const cross =
    predecessor === null
      ? null
      : await sign(
          predecessor.id,
          template("cross-certificate", Math.min(endMs, predecessor.notAfterMs)),
          { kind: "authority", certificate: onlyCertificate(predecessor.certificatePem) },
        );
  const rootCertificate = parseCertificate(root.der);
  return {
    root: rootCertificate,
    authority: {
      id,
      usage,
      status: "next",
      subject: formatName(rootCertificate.subject),
      certificatePem: encodePem("CERTIFICATE", root.der),
      fingerprint: toHex(env.crypto.sha256(root.der)),
      crossCertificatePem: cross && encodePem("CERTIFICATE", cross.der),
      crossFingerprint: cross && toHex(env.crypto.sha256(cross.der)),
      predecessor: predecessor?.id ?? null,
      notAfterMs: endMs,
      createdAtMs: env.clock.nowMs(),
      retiredAtMs: null,
    },
    async record(tx) {
      await recordAuthority(tx, env, "root", root);
      if (cross !== null) await recordAuthority(tx, env, "cross", cross);
    },
  };
}

interface SignedAuthority {
  readonly ticket: SigningTicket;
  readonly signer: AuthorityId;
  readonly der: Uint8Array;
}

/** The certificate in an authority's PEM text. */
export function onlyCertificate(pem: string): Certificate {
  const [certificate] = parseCertificatesPem(pem);
  if (certificate === undefined)
    throw new DomainError("state-corrupt", "the store holds an authority without a certificate");
  return certificate;
}

async function recordAuthority(
  tx: StoreTransaction,
  env: ControlEnvironment,
  kind: "root" | "cross",
  signed: SignedAuthority,
): Promise<void> {
  const certificate = parseCertificate(signed.der);
  await tx.issuances.append({
    authorityId: signed.signer,
    serial: certificate.serialHex,
    kind,
    credentialId: null,
    sequence: null,
    subject: formatName(certificate.subject),
    fingerprint: certificateFingerprint(certificate, env.crypto),
    spki: spkiFingerprint(certificate.spki, env.crypto),
    notBeforeMs: certificate.notBeforeMs,
    notAfterMs: certificate.notAfterMs,
    issuedAtMs: env.clock.nowMs(),
    der: signed.der,
  });
}

/** Subject of a later management CA: the domain's own name for the first, numbered after that. */
export function managementSubject(domainName: string, number: number): string {
  return `${domainName} ${number}`;
}
