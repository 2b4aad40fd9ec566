import { DomainError } from "../../kit/index.ts";
import type { SubmissionView } from "../../contract/index.ts";
import type { GivenCertificates } from "../../keys/index.ts";
import type { Terminal } from "../terminal.ts";
import { submissionsText } from "../render/submissions.ts";

/** Prints what became of certificates that were brought. Throws `certificate-rejected` if any was refused. */
export function reportSubmissions(
  terminal: Terminal,
  submissions: readonly SubmissionView[],
): void {
  if (submissions.length > 0) terminal.out(submissionsText(submissions));
  refuseDifferent(submissions);
}

/** Names the files that could not be read. */
export function warnUnreadable(
  terminal: Terminal,
  { unreadable }: Pick<GivenCertificates, "unreadable">,
): void {
  for (const line of unreadable) terminal.err(line);
}

/** After what else there was is taken. Throws `invalid-input` if a file could not be read. */
export function refuseUnreadable({ unreadable }: Pick<GivenCertificates, "unreadable">): void {
  if (unreadable.length === 0) return;
  throw new DomainError(
    "invalid-input",
    `${unreadable.length} of the files could not be read as certificates, as is said above: bring those again; what was right stays`,
  );
}

/** Throws `certificate-rejected` if any was refused. */
export function refuseDifferent(submissions: readonly SubmissionView[]): void {
  const refused = submissions.filter(({ differences }) => differences.length > 0);
  if (refused.length === 0) return;
  throw new DomainError(
    "certificate-rejected",
    `${refused.length} of ${submissions.length} certificates are not what was asked for: have them signed again, as the requests say, and submit those; what was taken stays`,
  );
}
