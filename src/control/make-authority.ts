import { DomainError, type AuthorityId } from "../kit/index.ts";
import type { Authority, AuthorityUsage, Host } from "../domain/index.ts";
import {
  authorityProfile,
  certificateFingerprint,
  completeCertificate,
  digestOfAlgorithm,
  encodePem,
  formatName,
  parseCertificate,
  parseCertificatesPem,
  parseNameText,
  prepareCertificate,
  randomSerial,
  type Certificate,
  type CertificateTemplate,
  type Issuer,
  type SignatureDigest,
} from "../pki/index.ts";
import type { GivenAuthority } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { issuanceOf } from "./issuance-of.ts";
import type { SealedKey, StoreTransaction } from "./ports.ts";

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
  /** What it signs with; absent: as the predecessor, or as its key does. */
  readonly digest?: SignatureDigest;
  /** Whose Admin Node Managers are to hold its key; the one that makes it is among them. */
  readonly holders: readonly Host[];
}

export interface NewAuthority {
  /** With status `next`. */
  readonly authority: Authority;
  readonly root: Certificate;
  /** Puts the key sealed for its holders, and root and cross-certificate into the issuance log. */
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
  const { spki, ...place } = await env.authorityKeys.create(id);
  const nowMs = Math.floor(env.clock.nowMs() / 1000) * 1000;
  const notAfterMs = nowMs + env.policy.authorityLifetimeSeconds * 1000;
  const shared = {
    subject: parseNameText(request.subject),
    spki,
    subjectAltName: [],
    notBeforeMs: nowMs - env.policy.backdateSeconds * 1000,
  };
  const root = await sign(
    env,
    id,
    { ...shared, profile: authorityProfile("root", 1), notAfterMs },
    { kind: "self", earlierRoots: request.earlier, ...digestOf(request) },
  );
  // Who is to sign with a key in a token reaches that itself.
  const sealed = "token" in place ? [] : await sealForAll(env, id, request.holders);
  const cross = predecessor && (await crossCertify(env, predecessor, { ...shared, notAfterMs }));
  return {
    root: root.certificate,
    authority: {
      id,
      usage,
      signing: "generated",
      intermediatesPem: "",
      status: "next",
      subject: formatName(root.certificate.subject),
      certificatePem: encodePem("CERTIFICATE", root.certificate.der),
      fingerprint: certificateFingerprint(root.certificate, env.crypto),
      crossCertificatePem: cross && encodePem("CERTIFICATE", cross.certificate.der),
      crossFingerprint: cross && certificateFingerprint(cross.certificate, env.crypto),
      predecessor: predecessor?.id ?? null,
      notAfterMs,
      createdAtMs: env.clock.nowMs(),
      retiredAtMs: null,
      holders: request.holders.map((host) => host.id),
      ...place,
    },
    async record(tx) {
      for (const key of sealed) await tx.sealedKeys.put(key);
      await recordAuthority(tx, env, "root", root);
      if (cross !== null) await recordAuthority(tx, env, "cross", cross);
    },
  };
}

/** As was asked for; a successor signs as the one before. */
function digestOf({ digest, predecessor }: AuthorityRequest): { digest?: SignatureDigest } {
  const before = predecessor && onlyCertificate(predecessor.certificatePem).signatureAlgorithm;
  const chosen = digest ?? digestOfAlgorithm(before);
  return chosen === null ? {} : { digest: chosen };
}

/** An authority of whose key nothing is known here; its own certificate is no issuance of ours. */
export function givenAuthority(
  env: Pick<ControlEnvironment, "clock" | "crypto">,
  id: AuthorityId,
  given: GivenAuthority,
  usage: AuthorityUsage = "management",
): NewAuthority {
  const root = onlyCertificate(given.certificatePem);
  const chain = parseCertificatesPem(given.intermediatesPem);
  return {
    root,
    authority: {
      id,
      usage,
      ...given,
      status: "next",
      subject: formatName(root.subject),
      fingerprint: certificateFingerprint(root, env.crypto),
      crossCertificatePem: null,
      crossFingerprint: null,
      predecessor: null,
      notAfterMs: Math.min(...[root, ...chain].map(({ notAfterMs }) => notAfterMs)),
      createdAtMs: env.clock.nowMs(),
      retiredAtMs: null,
      holders: [],
    },
    record: async () => {},
  };
}

/** The new key for every holder; the only one has it already, as it made it. */
async function sealForAll(
  env: ControlEnvironment,
  authorityId: AuthorityId,
  holders: readonly Host[],
): Promise<SealedKey[]> {
  if (holders.length === 1) return [];
  return Promise.all(
    holders.flatMap(({ id: hostId, nodeManager: { sealingKey } }) =>
      sealingKey === null
        ? []
        : env.authorityKeys
            .seal(authorityId, sealingKey)
            .then((sealed) => ({ authorityId, hostId, sealed })),
    ),
  );
}

interface SignedAuthority {
  readonly signer: AuthorityId;
  readonly certificate: Certificate;
}

/** The new key certified by the predecessor, until at most the predecessor's own end. */
function crossCertify(
  env: ControlEnvironment,
  predecessor: Authority,
  wanted: Omit<CertificateTemplate, "profile" | "serial">,
): Promise<SignedAuthority> {
  return sign(
    env,
    predecessor.id,
    {
      ...wanted,
      profile: authorityProfile("cross-certificate", 0),
      notAfterMs: Math.min(wanted.notAfterMs, predecessor.notAfterMs),
    },
    { kind: "authority", certificate: onlyCertificate(predecessor.certificatePem) },
  );
}

async function sign(
  env: ControlEnvironment,
  signer: AuthorityId,
  wanted: Omit<CertificateTemplate, "serial">,
  issuer: Issuer,
): Promise<SignedAuthority> {
  const ticket = prepareCertificate(
    { ...wanted, serial: randomSerial(env.rng) },
    issuer,
    env.crypto,
  );
  const der = completeCertificate(
    ticket,
    await env.authorityKeys.sign(signer, ticket.tbs, ticket.signatureAlgorithm),
  );
  return { signer, certificate: parseCertificate(der) };
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
  { signer, certificate }: SignedAuthority,
): Promise<void> {
  const of = { authorityId: signer, kind, credentialId: null };
  await tx.issuances.append(issuanceOf(env, certificate, of));
}

/** Subject of a later management CA: the domain's own name for the first, numbered after that. */
export function managementSubject(domainName: string, number: number): string {
  return `${domainName} ${number}`;
}
