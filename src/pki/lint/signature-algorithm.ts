import { algorithmFitsKey } from "../signature-algorithm.ts";
import type { Lint } from "./lint.ts";

export const signatureAlgorithm: Lint = {
  rule: "signature-algorithm",
  source: "RFC 9155 and NIST SP 800-131A: no SHA-1; RFC 5280 4.1.1.2",
  problem({ certificate, issuer }) {
    const algorithm = certificate.signatureAlgorithm;
    if (algorithm === null) {
      return `the signature algorithm ${certificate.signatureAlgorithmOid} is not allowed`;
    }
    return algorithmFitsKey(algorithm, (issuer ?? certificate).publicKey)
      ? null
      : "the signature algorithm is not one of the issuer's key";
  },
};
