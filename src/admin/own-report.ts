import { basename } from "node:path";
import type { AuthorityId } from "../kit/index.ts";
import { homeLayout, maySign, type Finding } from "../domain/index.ts";
import { offText } from "../control/index.ts";
import type { AdminReport } from "./admin-reports.ts";
import type { AdminState } from "./admin-state.ts";

const sealingKeyName = basename(homeLayout("").sealingKey);

/** The code of the finding about a key that a host should hold and does not, of each authority. */
export const keyMissing = "authority-key-missing";

/** What this Admin Node Manager can sign with now, and what is wrong with its keys and its clock. */
export async function ownReport({
  env,
  hostId,
  authorityFolder,
}: Pick<AdminState, "env" | "hostId" | "authorityFolder">): Promise<AdminReport> {
  const authorities = await env.store.read((view) => view.authorities.all());
  const signs: AuthorityId[] = [];
  const findings: Finding[] = [...clockFindings({ env, hostId }), ...authorityFolder.findings()];
  const held = authorities.filter(
    ({ status, holders }) => maySign(status, "probe") && holders.includes(hostId),
  );
  if (held.length > 0) findings.push(...(await protectionFindings({ env, hostId })));
  if (await env.authorityKeys.files.isLocked()) return { signs, findings };
  const { isRight } = env.clock.verdict();
  for (const authority of held) {
    const { id, status, usage } = authority;
    const state = await env.authorityKeys.keyState(authority);
    if (state === "right") {
      if (isRight) signs.push(id);
      continue;
    }
    // The whole host is said to be locked.
    if (state === "locked") continue;
    const problem = await env.authorityKeys.problem(authority, state);
    if (state === "unreachable") {
      findings.push({
        code: "token-unreachable",
        severity: "error",
        subject: id,
        text: `${id} is ${status} and cannot sign on ${hostId}: ${problem}; it signs again by itself when that is mended`,
      });
      continue;
    }
    const others = authority.holders.filter((holder) => holder !== hostId);
    if (state === "another" && others.length > 0)
      findings.push({
        code: "two-signing-authorities",
        severity: "error",
        subject: id,
        text: `${hostId} and ${others.join(", ")} hold different keys for ${id}, so that two different ${usage} CAs would sign: that of ${hostId} is not the one of its certificate and signs nothing; remove the file there, and it takes the shared key again`,
      });
    findings.push({
      code: keyMissing,
      severity: "error",
      subject: id,
      text: `${id} is ${status} and cannot sign on ${hostId}: ${problem}; ${authority.token === undefined ? "put the file back from a backup" : `name its token with \`gatehouse authority token\` on ${hostId}`}, have another holder share it, or rotate the ${usage} CA`,
    });
  }
  return { signs, findings };
}

async function protectionFindings({
  env,
  hostId,
}: Pick<AdminState, "env" | "hostId">): Promise<Finding[]> {
  const { files } = env.authorityKeys;
  const found: Finding[] = [];
  if (await env.authorityKeys.isLocked())
    found.push({
      code: "authority-locked",
      severity: "error",
      subject: hostId,
      text: `the keys of the authorities on ${hostId} are locked, so that its Admin Node Manager signs nothing and has others sign: \`gatehouse authority unlock\` on that host`,
    });
  const open = await files.unprotected();
  // The sealing key opens copies of key files: where there is none it protects nothing.
  if (open.some((path) => !path.endsWith(sealingKeyName)))
    found.push({
      code: "authority-unprotected",
      severity: "warning",
      subject: hostId,
      text: `keys of the authorities are on the disk of ${hostId} without a passphrase (${open.length} files): whoever reads its home can issue; \`managedomain --change_domain_passphrase\` on that host, while its Node Manager is stopped, encrypts them`,
    });
  return found;
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
