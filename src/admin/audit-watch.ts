import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../kit/index.ts";
import type { Finding } from "../domain/index.ts";
import type { AdminState } from "./admin-state.ts";

/** Verifying 300,000 issuances takes 3 s, and 1 s at a time where the rows are counted in millions. */
const auditEveryMs = 3_600_000;
const auditShareMax = 0.001;

/** After it could not be looked at. */
const auditAgainMs = 10_000;

/** Verifies the audit chain at start, and then now and then. */
export async function watchAuditChain(state: AdminState, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const begunMs = state.env.clock.monotonicMs();
    let restMs = auditAgainMs;
    try {
      state.auditFindings = await auditFindings(state);
      restMs = Math.max(auditEveryMs, (state.env.clock.monotonicMs() - begunMs) / auditShareMax);
    } catch (error) {
      state.log.warn({ error: describeError(error) }, "the audit chain could not be verified");
    }
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
  }
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
