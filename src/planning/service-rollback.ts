import type { Condition, Edit, Step } from "./plan.ts";
import type { Rollout } from "./rollout.ts";

type Taken = Pick<Rollout, "done" | "successions">;

/**
 * The steps that take back the rotation of a service's authority: in the opposite order, one wave
 * after another, the certificates from before are shown again, then the new CA is trusted no more,
 * then it is denied. After every step the service has to be well.
 */
export function serviceRollbackSteps(rollout: Taken): Step[] {
  const phases = new Set(rollout.done.map(({ step }) => step.phase));
  return [
    ...stepsBack(rollout, "reissue", (edit) => shownAgain(rollout, edit)),
    ...stepsBack(rollout, "replace-members", (edit) => replacedAgain(rollout, edit)),
    ...(phases.has("issue") ? [restShown(rollout)] : []),
    ...stepsBack(rollout, "trust-members", trustedAgain),
    ...(phases.has("prepare") ? [denied(rollout)] : []),
  ];
}

type EditOf<Do extends Edit["do"]> = Extract<Edit, { do: Do }>;

function stepsBack<Do extends Edit["do"]>(
  { done }: Taken,
  what: Do,
  back: (edit: EditOf<Do>) => Pick<Step, "edit" | "gate">,
): Step[] {
  return done.toReversed().flatMap(({ step: { id, title, edit, deadlineSeconds } }): Step[] => {
    if (edit.do !== what) return [];
    const { edit: backEdit, gate } = back(edit as EditOf<Do>);
    return [
      {
        id: `return-${id}`,
        phase: "return",
        title: `Taken back: ${title}`,
        edit: backEdit,
        gate: what === "replace-members" ? gate : [...gate, ...wellness({ done })],
        ...(deadlineSeconds === undefined ? {} : { deadlineSeconds }),
      },
    ];
  });
}

/** The services of the rollout are to be well. */
function wellness({ done }: Pick<Taken, "done">): Condition[] {
  const services = done
    .flatMap(({ step }) => step.gate)
    .flatMap((condition) => (condition.require === "service-well" ? [condition.service] : []));
  return [...new Set(services)].map((service) => ({ require: "service-well", service }));
}

function shownAgain(
  { successions }: Taken,
  { credentials }: EditOf<"reissue">,
): Pick<Step, "edit" | "gate"> {
  return {
    edit: { do: "return", successions, credentials },
    gate: [{ require: "presented", credentials }],
  };
}

function trustedAgain({
  members,
  adds,
  removes,
}: EditOf<"trust-members">): Pick<Step, "edit" | "gate"> {
  return {
    edit: { do: "trust-members", members, adds: removes, removes: adds },
    gate: [{ require: "members-trust", members, proven: [] }],
  };
}

/** Nobody is well before the last of them is back. */
function replacedAgain(
  { successions }: Taken,
  { members, credentials, adds, removes }: EditOf<"replace-members">,
): Pick<Step, "edit" | "gate"> {
  const trust = { members, adds: removes, removes: adds };
  return {
    edit: { do: "return", successions, credentials, trust },
    gate: [
      { require: "members-trust", members, proven: [] },
      { require: "presented", credentials },
    ],
  };
}

/** What was created under the new CA, and is shown by no wave. */
function restShown({ done, successions }: Taken): Step {
  const usages = successions.map(({ usage }) => usage);
  return {
    id: "return-rest",
    phase: "return",
    title: "Present the certificates from before the rollout again",
    edit: { do: "return", successions },
    gate: [{ require: "all-presented", usages }, ...wellness({ done })],
  };
}

function denied({ done, successions }: Taken): Step {
  return {
    id: "deny",
    phase: "deny",
    title: "Distrust and deny what the rollout introduced",
    edit: { do: "distrust", authorities: successions.map(({ to }) => to), deny: true },
    gate: wellness({ done }),
  };
}
