import { authorityBits } from "./authority-bits.ts";
import { authorityKeyId } from "./authority-key-id.ts";
import { customUsage } from "./custom-usage.ts";
import { issuerMayIssue } from "./issuer-may-issue.ts";
import { keyStrength } from "./key-strength.ts";
import { leafNames } from "./leaf-names.ts";
import type { Lint, LintInput } from "./lint.ts";
import { newRootSubject } from "./new-root-subject.ts";
import { serialNumber } from "./serial-number.ts";
import { signatureAlgorithm } from "./signature-algorithm.ts";
import { subjectKeyId } from "./subject-key-id.ts";
import { subjectPresent } from "./subject-present.ts";
import { timeEncoding } from "./time-encoding.ts";
import { validityOrder } from "./validity-order.ts";
import { validityWithinIssuer } from "./validity-within-issuer.ts";

/** Every rule that a certificate must keep before it is signed. */
export const lints: readonly Lint[] = [
  serialNumber,
  signatureAlgorithm,
  keyStrength,
  validityOrder,
  validityWithinIssuer,
  timeEncoding,
  subjectPresent,
  leafNames,
  authorityBits,
  issuerMayIssue,
  authorityKeyId,
  subjectKeyId,
  customUsage,
  newRootSubject,
];

/** The rules that the certificate breaks, and how; an empty list if it may be signed. */
export function brokenRules(input: LintInput): { rule: string; problem: string }[] {
  return lints.flatMap(({ rule, problem }) => {
    const found = problem(input);
    return found === null ? [] : [{ rule, problem: found }];
  });
}
