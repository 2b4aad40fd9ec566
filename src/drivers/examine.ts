import type { Finding } from "../domain/index.ts";
import { codeOf } from "./code.ts";
import type { MemberAt } from "./driver-code.ts";
import type { ExaminationContext, Say } from "./examination.ts";
import { examineCredential } from "./examine-credential.ts";
import { examineFiles } from "./examine-files.ts";
import { examinePeers, examinePorts } from "./examine-live.ts";
import { examineRevocationLists } from "./examine-revocation-lists.ts";
import { traitsOf } from "./traits.ts";

const clockDifferenceMsMax = 30_000;

/**
 * Says why a member is not in, or soon will not be: looks at its files, at what its ports show, and at what it and
 * the others make of each other's certificates. Runs on the member's host, changes nothing, and
 * throws only where the host itself fails. Each finding names the file or port and what to do.
 */
export async function examineMember(
  member: MemberAt,
  context: ExaminationContext,
): Promise<Finding[]> {
  const { description } = member;
  const say: Say = (code, severity, text) => ({
    code,
    severity,
    subject: context.subject,
    text: `${member.name}: ${text}`,
  });
  const { examine, usesFile } = codeOf(description);
  const isUsed = (await usesFile?.(member)) ?? ((): boolean => true);
  const files = description.files.filter(({ path }) => isUsed(path));
  const { findings, credentials } = await examineFiles({ ...description, files }, say);
  // One certificate for two members, whose servers look at no names.
  const names = traitsOf(description).copiesCredentials ? [] : context.names;
  const ofCredentials = await Promise.all(
    credentials.map((found) => examineCredential(found, { ...context, names }, say)),
  );
  const [first] = credentials;
  const ofLists =
    first === undefined ? [] : await examineRevocationLists(description, first, context.nowMs, say);
  const live =
    examine === undefined
      ? [
          ...(await examinePorts(description, first, context, say)),
          ...(await examinePeers(member, first, context, say)),
        ]
      : await examine(member, { context, credentials, say });
  return withoutRepetition([
    ...clockFindings(context, say),
    ...findings,
    ...ofCredentials.flat(),
    ...ofLists,
    ...live,
  ]);
}

function clockFindings({ nowMs, domainNowMs }: ExaminationContext, say: Say): Finding[] {
  const difference = domainNowMs === null ? 0 : nowMs - domainNowMs;
  return Math.abs(difference) <= clockDifferenceMsMax
    ? []
    : [
        say(
          "clock-wrong",
          "error",
          `this host's clock is ${Math.round(Math.abs(difference) / 1000)} s ${difference > 0 ? "ahead of" : "behind"} the domain's: set it, and keep it set by NTP`,
        ),
      ];
}

/** The same file may be named twice, as of a pair and of a cluster. */
function withoutRepetition(findings: readonly Finding[]): Finding[] {
  const texts = new Set<string>();
  return findings.filter(({ code, text }) => {
    const isNew = !texts.has(`${code} ${text}`);
    texts.add(`${code} ${text}`);
    return isNew;
  });
}
