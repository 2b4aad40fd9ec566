import { DomainError } from "../kit/index.ts";
import { isServiceUsage } from "../domain/index.ts";
import { serviceRollbackSteps } from "./service-rollback.ts";
import type { Step } from "./plan.ts";
import type { Rollout } from "./rollout.ts";

/**
 * The steps that take a rollout back: the kept generations are presented again, then what was
 * introduced is distrusted and denied. Safe from every phase before `retire`, since until then
 * everybody still trusts what came before. Throws `plan-unsafe` once retire has begun, and for a
 * take-over that has begun.
 */
export function rollbackSteps(rollout: Rollout): Step[] {
  const phases = new Set(rollout.done.map((applied) => applied.step.phase));
  if (phases.has("retire")) {
    throw new DomainError(
      "plan-unsafe",
      `rollout ${rollout.id} has begun to retire the old authority and cannot be rolled back: let it finish, or rotate again`,
    );
  }
  if (rollout.kind === "take-over") return noWayBack(rollout);
  if (rollout.successions.some(({ usage }) => isServiceUsage(usage)))
    return serviceRollbackSteps(rollout);
  const usages = [...new Set(rollout.successions.map((succession) => succession.usage))];
  const reissued = rollout.done.flatMap(({ step }) =>
    step.edit.do === "reissue" ? step.edit.credentials : [],
  );
  const introduced = rollout.successions.map((succession) => succession.to);
  const steps: Step[] = [];
  if (phases.has("collect"))
    steps.push({
      id: "give-up",
      phase: "collect",
      title: "Give up the requests for certificates that are signed elsewhere",
      edit: { do: "give-up-collected" },
      gate: [],
    });
  if (phases.has("issue") || reissued.length > 0) {
    steps.push({
      id: "return",
      phase: "return",
      title: "Present the certificates from before the rollout again",
      edit: { do: "return", successions: rollout.successions },
      // What is presented again was presented before: only a report that is newer than the edit counts.
      gate: [
        { require: "trust-loaded" },
        usages.length > 0
          ? { require: "all-presented", usages }
          : { require: "presented", credentials: reissued },
      ],
    });
  }
  if (phases.has("prepare")) {
    steps.push({
      id: "deny",
      phase: "deny",
      title: "Distrust and deny what the rollout introduced",
      edit: { do: "distrust", authorities: introduced, deny: true },
      gate: [{ require: "trust-loaded" }, { require: "old-connections-closed" }],
    });
  }
  return steps;
}

/** Nobody has what servers came with but the servers, and to go back would be to public keys. */
function noWayBack({ id, done }: Rollout): Step[] {
  if (done.length === 0) return [];
  throw new DomainError(
    "plan-unsafe",
    `rollout ${id} has begun to replace the credentials that servers came with, and those are not brought back: mend what it waits for, and let it finish`,
  );
}
