import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, isDomainError, type RolloutId } from "../kit/index.ts";
import type { RolloutView, SigningRequestView } from "../contract/index.ts";
import type { Admin } from "./admin-session.ts";
import { refuseDifferent } from "./signing/refusal.ts";
import type { ProvidedCa } from "./signing/provided-ca.ts";
import { signWaiting } from "./signing/waiting.ts";
import { progressOn, type Progress } from "./progress.ts";
import type { Terminal } from "./terminal.ts";

const pollMs = 300;
/** An Admin Node Manager that is started again is back within this time. */
const unreachableMsMax = 120_000;
const waiverSeconds = 86_400;

export interface FollowWishes {
  /** Only a person can go on: ask, or end with `rollout-blocked`; false: wait until somebody waives. */
  readonly asksPeople: boolean;
  /** Why callers that cannot be observed may be passed over, where that was said beforehand. */
  readonly waiverReason?: string | undefined;
  /** Signs what waits to be signed elsewhere; absent: somebody else does. */
  readonly ca?: ProvidedCa | undefined;
  /** Which of those it signs; absent: all. */
  readonly concerns?: (request: SigningRequestView) => boolean;
  /** As far as it is followed; absent: until it is completed. */
  readonly isFarEnough?: (rollout: RolloutView["rollout"]) => boolean;
  /** Null: until it ends. */
  readonly timeoutSeconds: number | null;
}

/**
 * Follows a rollout until it is completed, or far enough. Throws `conflict` when it was rolled back, `timeout`,
 * and `rollout-blocked` where it waits for a waiver and nobody can be asked for one.
 */
export async function followRollout(
  admin: Admin,
  terminal: Terminal,
  id: RolloutId,
  wishes: FollowWishes,
): Promise<RolloutView> {
  const progress = progressOn(terminal);
  const endMs = performance.now() + (wishes.timeoutSeconds ?? Infinity) * 1000;
  try {
    for (;;) {
      const view = await look(admin, id);
      progress.show(view);
      const { status } = view.rollout;
      if (status === "completed" || wishes.isFarEnough?.(view.rollout) === true) return view;
      if (status === "rolled-back")
        throw new DomainError(
          "conflict",
          `rollout ${id} was rolled back: everybody presents the certificates from before`,
        );
      if (wishes.ca !== undefined && waitsForSignatures(view))
        refuseDifferent(await signWaiting(admin, wishes.ca, wishes.concerns ?? (() => true)));
      if (wishes.asksPeople && waitsForPeople(view))
        await answerForCallers(admin, terminal, progress, { view, reason: wishes.waiverReason });
      if (performance.now() > endMs)
        throw new DomainError(
          "timeout",
          `rollout ${id} did not end in ${wishes.timeoutSeconds} s and goes on: follow it with \`gatehouse rollout watch ${id}\``,
        );
      await sleep(pollMs);
    }
  } finally {
    progress.end();
  }
}

async function look(admin: Admin, id: RolloutId): Promise<RolloutView> {
  const endMs = performance.now() + unreachableMsMax;
  for (;;) {
    try {
      return await admin.call("getRollout", { params: { id } });
    } catch (error) {
      const isAway = isDomainError(error, "unreachable") || isDomainError(error, "timeout");
      if (!isAway || performance.now() > endMs) throw error;
      await sleep(pollMs);
    }
  }
}

function waitsForSignatures({ blockers }: RolloutView): boolean {
  return blockers.some(({ code }) => code === "awaiting-signature" || code === "not-installed");
}

function waitsForPeople({ rollout, blockers }: RolloutView): boolean {
  return (
    rollout.status === "running" &&
    blockers.length > 0 &&
    blockers.every(({ code }) => code === "unmanaged-not-waived")
  );
}

async function answerForCallers(
  admin: Admin,
  terminal: Terminal,
  progress: Progress,
  { view, reason: given }: { view: RolloutView; reason: string | undefined },
): Promise<void> {
  const { rollout, phase, blockers } = view;
  if (phase === null) return;
  for (const { subject, text } of blockers) {
    const reason = given ?? (await askReason(terminal, progress, subject, text));
    if (reason === "") throw unanswered(view);
    await admin.call("waiveGate", {
      params: { id: rollout.id },
      body: { subject, phase, reason, lifetimeSeconds: waiverSeconds },
    });
  }
}

/** A person's reason; empty where there is none, or nobody to ask. */
async function askReason(
  terminal: Terminal,
  progress: Progress,
  subject: string,
  text: string,
): Promise<string> {
  if (terminal.prompts === null) return "";
  progress.end();
  terminal.err(text);
  const question = `Why may the rollout go on without proof of ${subject}? (empty: it waits)`;
  return (await terminal.prompts.text(question)).trim();
}

function unanswered({ rollout, phase, blockers }: RolloutView): DomainError {
  const commands = blockers.map(
    ({ subject }) =>
      `\`gatehouse rollout waive ${rollout.id} --subject ${subject} --phase ${phase ?? ""} --reason TEXT --for 1d\``,
  );
  return new DomainError(
    "rollout-blocked",
    `rollout ${rollout.id} holds everywhere and waits for somebody to answer for callers that cannot be observed: give them the new CA, run ${commands.join(" and ")}, and follow it with \`gatehouse rollout watch ${rollout.id}\``,
  );
}
