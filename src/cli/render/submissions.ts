import type { SubmissionView } from "../../contract/index.ts";
import { table } from "./table.ts";

/** What became of certificates that were brought: one line for each, and every difference in a row. */
export function submissionsText(submissions: readonly SubmissionView[]): string {
  return submissions
    .map(({ id, certificate, differences }) =>
      differences.length === 0
        ? `taken    ${id ?? ""}: ${certificate}`
        : `refused  ${id ?? "no request"}: ${certificate}\n${differenceTable(differences)}`,
    )
    .join("\n");
}

function differenceTable(differences: SubmissionView["differences"]): string {
  const rows = differences.map(({ field, wanted, got }) => [field, wanted, got]);
  return table(["", "wanted", "got"], rows)
    .split("\n")
    .map((line) => `    ${line}`)
    .join("\n");
}
