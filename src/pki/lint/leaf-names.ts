import { isAuthorityCertificate } from "../certificate.ts";
import type { Lint } from "./lint.ts";

export const leafNames: Lint = {
  rule: "leaf-names",
  source: "RFC 9525 2: names that are verified stand in the alternative names",
  problem({ certificate }) {
    const count = certificate.extensions.subjectAltName?.length ?? 0;
    return count > 0 || isAuthorityCertificate(certificate)
      ? null
      : "a leaf has no subject alternative name";
  },
};
