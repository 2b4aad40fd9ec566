import type { AuthorityId } from "../kit/index.ts";
import { maySign, type Finding } from "../domain/index.ts";
import { offText } from "../control/index.ts";
import type { AdminReport } from "./admin-reports.ts";
import type { AdminState } from "./admin-state.ts";

/** What this Admin Node Manager can sign with now, and what is wrong with its keys and its clock. */
export async function ownReport({
  env,
  hostId,
}: Pick<AdminState, "env" | "hostId">): Promise<AdminReport> {
  const authorities = await env.store.read((view) => view.authorities.all());
  const signs: AuthorityId[] = [];
  const findings: Finding[] = clockFindings({ env, hostId });
  const { isRight } = env.clock.verdict();
  for (const authority of authorities) {
    const { id, status, usage, holders } = authority;
    if (!maySign(status, "probe") || !holders.includes(hostId)) continue;
    const problem = await env.authorityKeys.problem(authority);
    if (problem === null) {
      if (isRight) signs.push(id);
      continue;
    }
    findings.push({
      code: "authority-key-missing",
      severity: "error",
      subject: id,
      text: `${id} is ${status} and cannot sign on ${hostId}: ${problem}; put the file back from a backup, or rotate the ${usage} CA`,
    });
  }
  return { signs, findings };
}

function clockFindings({ env, hostId }: Pick<AdminState, "env" | "hostId">): Finding[] {
  const { isRight, aheadMs, by } = env.clock.verdict();
  const finding = (code: string, severity: Finding["severity"], text: string): Finding[] => [
    { code, severity, subject: hostId, text },
  ];
  if (isRight && by !== "nobody") return [];
  if (isRight)
    return finding(
      "clock-doubtful",
      "warning",
      `the clocks that ${hostId} can ask differ from its own and no majority says which is right: its Admin Node Manager goes on, as its own was not set; look at the time synchronisation of the Admin Node Managers and the database`,
    );
  const off = `the clock of ${hostId} is ${offText(aheadMs)}`;
  return finding(
    "clock-off",
    "error",
    by === "majority"
      ? `${off} of most others: its Admin Node Manager signs nothing and has others sign until that clock is right; look at its time synchronisation`
      : `${off} of what it was, and nobody else says that this is right: its Admin Node Manager signs nothing; set it back, or restart the Admin Node Manager if it is right now`,
  );
}
