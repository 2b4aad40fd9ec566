import { isAuthorityCertificate } from "../certificate.ts";
import type { Lint } from "./lint.ts";

export const issuerMayIssue: Lint = {
  rule: "issuer-may-issue",
  source: "RFC 5280 4.2.1.3, 4.2.1.9 and 6.1.4",
  problem({ certificate, issuer }) {
    if (issuer === null) return null;
    const { basicConstraints, keyUsage } = issuer.extensions;
    if (!isAuthorityCertificate(issuer)) return "the issuer is not an authority";
    if (keyUsage !== null && !keyUsage.includes("keyCertSign")) {
      return "the issuer may not sign certificates (keyCertSign)";
    }
    if (!isAuthorityCertificate(certificate)) return null;
    const issuerLength = basicConstraints?.pathLength ?? null;
    if (issuerLength === null) return null;
    const ownLength = certificate.extensions.basicConstraints?.pathLength ?? null;
    return ownLength !== null && ownLength < issuerLength
      ? null
      : `the issuer's path length ${issuerLength} does not allow this authority below it`;
  },
};
