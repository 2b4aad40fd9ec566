import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../kit/index.ts";
import { maySign, type Finding } from "../domain/index.ts";
import type { ControlEnvironment } from "../control/index.ts";
import type { AdminState } from "./admin-state.ts";
import { authorityKeyProblem } from "./authority-keys.ts";

/** What an Admin Node Manager last found of what it holds: looked at by itself, not at every question. */
export interface SelfFindings {
  keys: readonly Finding[];
  audit: readonly Finding[];
}

const keysEveryMs = 10_000;
/** Verifying 300,000 issuances takes 3 s, and 1 s at a time where the rows are counted in millions. */
const auditEveryMs = 3_600_000;
const auditShareMax = 0.001;

/** Looks at the key files of the authorities that may sign, as long as the process runs. */
export async function watchAuthorityKeys(state: AdminState, signal: AbortSignal): Promise<void> {
  await repeat(state, signal, async () => {
    state.selfFindings.keys = await authorityKeyFindings(state);
    return keysEveryMs;
  });
}

/** Verifies the audit chain at start, and then now and then. */
export async function watchAuditChain(state: AdminState, signal: AbortSignal): Promise<void> {
  await repeat(state, signal, async () => {
    const begunMs = state.env.clock.monotonicMs();
    state.selfFindings.audit = await auditFindings(state);
    return Math.max(auditEveryMs, (state.env.clock.monotonicMs() - begunMs) / auditShareMax);
  });
}

/** `look` returns after how many milliseconds it wants to be called again. */
async function repeat(
  state: AdminState,
  signal: AbortSignal,
  look: () => Promise<number>,
): Promise<void> {
  while (!signal.aborted) {
    const restMs = await look().catch((error: unknown) => {
      state.log.warn({ error: describeError(error) }, "a check of this process could not be made");
      return keysEveryMs;
    });
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }
}

/** An authority that its status lets sign, and whose key here cannot, where it is to be here. */
export async function authorityKeyFindings({
  env,
  layout,
  hostId,
}: Pick<AdminState, "layout" | "hostId"> & {
  readonly env: Pick<ControlEnvironment, "store">;
}): Promise<Finding[]> {
  const authorities = await env.store.read((view) => view.authorities.all());
  const found: Finding[] = [];
  for (const authority of authorities) {
    if (!maySign(authority.status, "probe") || !authority.holders.includes(hostId)) continue;
    const problem = await authorityKeyProblem(layout, authority);
    if (problem === null) continue;
    found.push({
      code: "authority-key-missing",
      severity: "error",
      subject: authority.id,
      text: `${authority.id} is ${authority.status} and cannot sign: ${problem}; put the file back from a backup, or rotate the ${authority.usage} CA`,
    });
  }
  return found;
}

/** The first link of the audit chain that does not verify. */
async function auditFindings({ env }: Pick<AdminState, "env">): Promise<Finding[]> {
  const verdict = await env.store.read((view) => view.audit.verify());
  if (verdict.ok) return [];
  return [
    {
      code: "audit-broken",
      severity: "error",
      subject: verdict.writer,
      text: `the audit chain does not verify, at ${verdict.text}; compare the store with a backup, \`gatehouse audit verify\` looks again`,
    },
  ];
}
