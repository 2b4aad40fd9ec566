import type { Lint } from "./lint.ts";

export const subjectKeyId: Lint = {
  rule: "subject-key-id",
  source: "RFC 5280 4.2.1.2",
  problem({ certificate: { extensions } }) {
    const length = extensions.subjectKeyId?.length ?? 0;
    return length > 0 && length <= 64 ? null : "the subject key identifier is missing or too long";
  },
};
