import { isAuthorityCertificate } from "../certificate.ts";
import { isEmptyName } from "../name.ts";
import { oid } from "../oid.ts";
import type { Lint } from "./lint.ts";

export const subjectPresent: Lint = {
  rule: "subject-present",
  source: "RFC 5280 4.1.2.6 and 4.2.1.6",
  problem({ certificate }) {
    if (!isEmptyName(certificate.subject)) return null;
    if (isAuthorityCertificate(certificate)) return "an authority has no subject";
    const names = certificate.extensions.raw.find((each) => each.oid === oid.subjectAltName);
    return names?.critical === true
      ? null
      : "the subject is empty and the alternative names are not critical";
  },
};
