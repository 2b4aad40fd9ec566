import { DomainError } from "../kit/index.ts";
import { isSelfIssued, parseTbs } from "./certificate.ts";
import type { Certificate, TbsCertificate } from "./certificate.ts";
import { writeTime } from "./civil-time.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { contextConstructed } from "./der-tags.ts";
import * as der from "./der-write.ts";
import { writeExtensions } from "./extensions-write.ts";
import type { GeneralName } from "./general-name.ts";
import { brokenRules } from "./lint/index.ts";
import { isEmptyName } from "./name.ts";
import type { Name } from "./name.ts";
import type { CertificateProfile } from "./profiles.ts";
import { describePublicKey, subjectKeyIdOf } from "./public-key.ts";
import {
  algorithmIdentifier,
  algorithmWith,
  defaultSignatureAlgorithm,
  digestOfAlgorithm,
} from "./signature-algorithm.ts";
import type { SignatureAlgorithm, SignatureDigest } from "./signature-algorithm.ts";
import type { Validity } from "./validity.ts";

/** What one certificate is to say, the issuer's part left out. */
export interface CertificateTemplate extends Validity {
  readonly profile: CertificateProfile;
  /** From `randomSerial`. */
  readonly serial: Uint8Array;
  readonly subject: Name;
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  readonly subjectAltName: readonly GeneralName[];
  /** Only for the key of an authority that already has another one; computed otherwise. */
  readonly subjectKeyId?: Uint8Array;
  /** Mark it as a probe certificate, which proves trust and is refused everywhere else. */
  readonly isProbe?: boolean;
}

/** Who signs: an authority by its certificate, or the key in the template itself for a new root. */
export type Issuer =
  | { readonly kind: "authority"; readonly certificate: Certificate }
  | {
      readonly kind: "self";
      /** Every root that the domain ever had: a new root must not have the name of one of them. */
      readonly earlierRoots: readonly Certificate[];
      /** What it signs itself with, and all that it issues; absent: what its key signs with. */
      readonly digest?: SignatureDigest;
    };

/** Proof that these bytes were linted. `completeCertificate` takes each ticket once. */
export interface SigningTicket {
  /** What has to be signed. */
  readonly tbs: Uint8Array;
  /** How it has to be signed. */
  readonly signatureAlgorithm: SignatureAlgorithm;
  /** The same, readable: serial, names and dates for the record of the issuance. */
  readonly certificate: TbsCertificate;
}

const openTickets = new WeakSet<SigningTicket>();

/**
 * Builds what is to be signed and lints it. A DomainError `certificate-rejected` whose message
 * lists every broken rule if the certificate must not exist. AKI and SKI are added here: the
 * issuer's key identifier, and RFC 7093 method 1.
 */
export function prepareCertificate(
  template: CertificateTemplate,
  issuer: Issuer,
  crypto: Pick<CryptoPort, "sha256">,
): SigningTicket {
  const subjectKeyId = template.subjectKeyId ?? subjectKeyIdOf(template.spki, crypto);
  const signer = signerOf(template, issuer, subjectKeyId, crypto);
  const tbs = der.encode(writeTbs(template, signer, subjectKeyId));
  const certificate = parseTbs(tbs);
  const broken = brokenRules({
    certificate,
    issuer: issuer.kind === "authority" ? issuer.certificate : null,
    earlierRoots: issuer.kind === "self" ? issuer.earlierRoots : [],
  });
  if (broken.length > 0) {
    const list = broken.map(({ rule, problem }) => `${rule}: ${problem}`).join("; ");
    throw new DomainError("certificate-rejected", `the certificate was not signed: ${list}`, {
      context: { rules: broken.map(({ rule }) => rule).join(",") },
    });
  }
  const ticket: SigningTicket = { tbs, signatureAlgorithm: signer.algorithm, certificate };
  openTickets.add(ticket);
  return ticket;
}

/** The certificate (DER) from a ticket and the signature over its `tbs`. */
export function completeCertificate(ticket: SigningTicket, signature: Uint8Array): Uint8Array {
  if (!openTickets.delete(ticket)) {
    throw new Error("invariant broken: a signing ticket is from prepareCertificate and used once");
  }
  return der.encode(
    der.sequence(
      der.raw(ticket.tbs),
      der.raw(algorithmIdentifier(ticket.signatureAlgorithm)),
      der.wholeBitString(signature),
    ),
  );
}

interface Signer {
  readonly name: Name;
  readonly keyId: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
}

function signerOf(
  template: CertificateTemplate,
  issuer: Issuer,
  subjectKeyId: Uint8Array,
  crypto: Pick<CryptoPort, "sha256">,
): Signer {
  if (issuer.kind === "self") {
    const key = describePublicKey(template.spki);
    const algorithm =
      issuer.digest === undefined
        ? defaultSignatureAlgorithm(key)
        : algorithmWith(key, issuer.digest);
    return { name: template.subject, keyId: subjectKeyId, algorithm };
  }
  const { subject, extensions, spki } = issuer.certificate;
  return {
    name: subject,
    keyId: extensions.subjectKeyId ?? subjectKeyIdOf(spki, crypto),
    algorithm: issuingAlgorithm(issuer.certificate),
  };
}

/** A root issues with the digest that it was made with, as its own signature shows it. */
function issuingAlgorithm(issuer: Certificate): SignatureAlgorithm {
  const digest = isSelfIssued(issuer) ? digestOfAlgorithm(issuer.signatureAlgorithm) : null;
  return digest === null
    ? defaultSignatureAlgorithm(issuer.publicKey)
    : algorithmWith(issuer.publicKey, digest);
}

function writeTbs(
  template: CertificateTemplate,
  signer: Signer,
  subjectKeyId: Uint8Array,
): der.DerNode {
  const { profile, subject } = template;
  const extensions = writeExtensions({
    basicConstraints: profile.basicConstraints,
    keyUsage: profile.keyUsage,
    extendedKeyUsage: profile.extendedKeyUsage,
    subjectAltName: template.subjectAltName,
    subjectAltNameCritical: isEmptyName(subject),
    subjectKeyId,
    authorityKeyId: signer.keyId,
    isProbe: template.isProbe === true,
  });
  return der.sequence(
    der.constructed(contextConstructed(0), [der.smallInteger(2)]),
    der.unsignedInteger(template.serial),
    der.raw(algorithmIdentifier(signer.algorithm)),
    der.raw(signer.name.der),
    der.sequence(writeTime(template.notBeforeMs), writeTime(template.notAfterMs)),
    der.raw(subject.der),
    der.raw(template.spki),
    der.constructed(contextConstructed(3), [extensions]),
  );
}
