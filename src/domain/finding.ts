/** One thing that a check found, printed unchanged by CLI, API and console. */
export interface Finding {
  /** Stable, dash-separated; callers branch on it. */
  readonly code: string;
  readonly severity: "info" | "warning" | "error";
  /** What it is about: a host, process, credential, authority. */
  readonly subject: string;
  /** One line: what is, where, and what would change it. */
  readonly text: string;
}

/** Runs small checks over one input and collects what they find, in their order. */
export function collectFindings<Input>(
  input: Input,
  checks: readonly ((input: Input) => Finding | readonly Finding[] | undefined)[],
): Finding[] {
  return checks.flatMap((check) => check(input) ?? []);
}
