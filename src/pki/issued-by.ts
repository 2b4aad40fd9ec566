import { bytesEqual } from "./bytes.ts";
import type { Certificate } from "./certificate.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { namesEqual } from "./name.ts";
import { algorithmFitsKey } from "./signature-algorithm.ts";

/** True if `candidate` can have issued `certificate`, by its name and key identifier. */
export function isNamedIssuer(certificate: Certificate, candidate: Certificate): boolean {
  const keyId = certificate.extensions.authorityKeyId?.keyId ?? null;
  const candidateKeyId = candidate.extensions.subjectKeyId;
  return (
    namesEqual(candidate.subject, certificate.issuer) &&
    (keyId === null || candidateKeyId === null || bytesEqual(keyId, candidateKeyId))
  );
}

/** True if the key of `issuer` signed `certificate`, by an algorithm that is accepted. */
export function isSignedBy(
  certificate: Certificate,
  issuer: Certificate,
  crypto: Pick<CryptoPort, "verify">,
): boolean {
  const { signatureAlgorithm, tbs, signature } = certificate;
  return (
    signatureAlgorithm !== null &&
    algorithmFitsKey(signatureAlgorithm, issuer.publicKey) &&
    crypto.verify(issuer.spki, tbs, signature, signatureAlgorithm)
  );
}
