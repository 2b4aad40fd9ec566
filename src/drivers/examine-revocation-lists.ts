import { existsSync } from "node:fs";
import type { Finding } from "../domain/index.ts";
import { formatTime } from "../pki/index.ts";
import type { Description } from "./description.ts";
import type { FoundCredential, Say } from "./examination.ts";
import { liveFile } from "./live-files.ts";
import { firstListEndMs, listsIn, revocationProblem } from "./revocation-lists.ts";

/** Somebody has to issue the next list by then. */
const warnBeforeMs = 86_400_000;

/** Whether the server's lists serve it now and for another day: without one of a CA it refuses that CA. */
export async function examineRevocationLists(
  description: Description,
  { anchors }: Pick<FoundCredential, "anchors">,
  nowMs: number,
  say: Say,
): Promise<Finding[]> {
  const path = liveFile(description, "crl");
  if (path === undefined || !existsSync(path)) return [];
  const lists = await listsIn(path);
  const problem = revocationProblem(anchors, lists, nowMs);
  if (problem !== null) return [say("revocation-list", "error", `${path}: ${problem}`)];
  const endMs = firstListEndMs(lists);
  if (endMs === null || endMs - nowMs > warnBeforeMs) return [];
  const text = `${path}: the first of its revocation lists is over at ${formatTime(endMs)}, and its CA refused from then on: issue the next one`;
  return [say("revocation-list-ends", "warning", text)];
}
