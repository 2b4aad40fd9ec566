import type { RolloutView } from "../../contract/index.ts";
import { table, timeText } from "./table.ts";

/** Rollouts, one a line. */
export function rolloutTable(views: readonly RolloutView[]): string {
  return table(
    ["ROLLOUT", "STATUS", "STEPS", "PHASE", "STARTED", "TITLE"],
    views.map(({ rollout, phase }) => [
      rollout.id,
      rollout.status,
      stepsText(rollout),
      phase ?? "-",
      timeText(rollout.startedAtMs),
      rollout.title,
    ]),
  );
}

/** One rollout: its steps, what it waits for, its waivers. */
export function rolloutText({ rollout, phase, blockers }: RolloutView): string {
  const { done, todo, waivers } = rollout;
  return [
    `Rollout ${rollout.id}: ${rollout.title}`,
    `Status:   ${rollout.status}${phase === null ? "" : `, in phase ${phase}`}`,
    `Started:  ${timeText(rollout.startedAtMs)}`,
    ...(rollout.finishedAtMs === null ? [] : [`Finished: ${timeText(rollout.finishedAtMs)}`]),
    "Steps:",
    ...done.map(
      ({ step, heldAtMs }) =>
        `  ${heldAtMs === null && rollout.finishedAtMs === null ? ">" : "x"} ${step.phase.padEnd(9)} ${step.title}`,
    ),
    ...todo.map((step) => `    ${step.phase.padEnd(9)} ${step.title}`),
    ...(blockers.length === 0 ? [] : ["Waits for:", ...blockers.map(({ text }) => `  - ${text}`)]),
    ...(waivers.length === 0 ? [] : ["Waivers:"]),
    ...waivers.map(
      ({ subject, phase: waived, person, endsAtMs, reason }) =>
        `  - ${subject} in ${waived}, by ${person} until ${timeText(endsAtMs)}: ${reason}`,
    ),
  ].join("\n");
}

/** `3/9`: steps begun, and all. */
export function stepsText({ done, todo }: RolloutView["rollout"]): string {
  return `${done.length}/${done.length + todo.length}`;
}
