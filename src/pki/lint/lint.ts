import type { Certificate, TbsCertificate } from "../certificate.ts";

/** What the rules look at: a certificate that is about to be signed. */
export interface LintInput {
  readonly certificate: TbsCertificate;
  /** Null for a new root, which signs itself. */
  readonly issuer: Certificate | null;
  /** For a new root: every root that the domain ever had. */
  readonly earlierRoots: readonly Certificate[];
}

/** One rule for certificates. Pure; one file each, named after the rule. */
export interface Lint {
  readonly rule: string;
  /** Where the rule comes from. */
  readonly source: string;
  /** What is wrong, one line; null if the certificate keeps the rule. */
  readonly problem: (input: LintInput) => string | null;
}
