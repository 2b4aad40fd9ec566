import { DomainError } from "../kit/index.ts";
import {
  encodePem,
  formatName,
  isAuthorityCertificate,
  isSelfIssued,
  type Certificate,
} from "../pki/index.ts";
import { issuersOf } from "./pkcs12.ts";

/** A CA's certificates: the root that is trusted, and those that a leaf brings with it, its issuer first. */
export interface CaChain {
  readonly root: Certificate;
  readonly intermediates: readonly Certificate[];
}

/**
 * Finds root and intermediates among a CA's certificates, in any order: the CA that signs is the one
 * that issued none of the others. Throws `invalid-input` where the root or a link is missing.
 */
export function sortChain(certificates: readonly Certificate[]): CaChain {
  const authorities = certificates.filter(isAuthorityCertificate);
  const [signer, second] = authorities.filter(
    (each) => !authorities.some((other) => other !== each && isAbove(each, other)),
  );
  const list = (all: readonly Certificate[]): string =>
    all.map(({ subject }) => formatName(subject)).join(", ");
  if (signer === undefined)
    throw new DomainError(
      "invalid-input",
      `there is no CA among the certificates (CA:TRUE in the basic constraints), only ${list(certificates)}`,
    );
  if (second !== undefined)
    throw new DomainError(
      "invalid-input",
      `these are the certificates of several CAs, not of one and those above it: ${list(authorities)}`,
    );
  return chainFrom(signer, authorities);
}

function isAbove(upper: Certificate, lower: Certificate): boolean {
  return formatName(upper.subject) === formatName(lower.issuer) && !isSelfIssued(lower);
}

/** The chain above the issuer of a leaf, or above a CA itself. Throws as `sortChain`. */
export function chainAbove(leaf: Certificate, certificates: readonly Certificate[]): CaChain {
  const { root, intermediates } = chainFrom(leaf, certificates.filter(isAuthorityCertificate));
  return { root, intermediates: intermediates.slice(1) };
}

function chainFrom(first: Certificate, authorities: readonly Certificate[]): CaChain {
  const chain = [first, ...issuersOf(first, authorities)];
  const root = chain.at(-1) ?? first;
  if (isSelfIssued(root)) return { root, intermediates: chain.slice(0, -1) };
  throw new DomainError(
    "invalid-input",
    `the CA ${formatName(root.issuer)} above ${formatName(root.subject)} is missing, or is one of that name with another key: give the CA's certificates up to the root`,
  );
}

/** Certificates as PEM text. */
export function certificatesPem(certificates: readonly Certificate[]): string {
  return certificates.map(({ der }) => encodePem("CERTIFICATE", der)).join("");
}
