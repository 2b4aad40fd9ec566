import { DomainError } from "../kit/index.ts";
import { membersOf, type ActiveMember, type Member, type Service } from "../domain/index.ts";
import { arrangeEvidence, illnessOf, isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreView } from "./ports.ts";
import { requireService } from "./services.ts";
import { readSnapshot } from "./snapshot.ts";

/**
 * Makes another member of a pair the active one: by hand-over, for which both have to be well and in step, or by
 * promotion, for one whose partner is dead. Returns the member. Throws `not-supported` for a service whose roles are not
 * Gatehouse's, `not-found` for a member, `conflict` where it is active already or a rollout changes the service,
 * `plan-unsafe` where a hand-over would lose something.
 */
export async function switchOver(
  env: ControlEnvironment,
  request: {
    readonly service: string;
    /** Name or id; null: the other one. */
    readonly to: string | null;
    readonly by: ActiveMember["by"];
    readonly actor: string;
  },
): Promise<Member> {
  const { by, actor } = request;
  const entry = {
    actor,
    action: "service.switch-over",
    subject: request.service,
    detail: { by },
  };
  return env.store.write(entry, async (tx) => {
    const service = await requireService(tx, request.service);
    if (service.active === null)
      throw new DomainError(
        "not-supported",
        `the members of service ${service.name} see to their roles themselves: there is no other one to make active`,
      );
    await refuseRolledOut(tx, service);
    const to = chosenMember(service, await tx.topology.members(), request.to);
    if (by === "hand-over") {
      const evidence = arrangeEvidence(await readSnapshot(tx, env, 0));
      const [illness] = illnessOf(evidence, service.id, () => false);
      if (illness !== undefined)
        throw new DomainError(
          "plan-unsafe",
          `${to.name} cannot take over now: ${illness.text}; with --promote it does all the same`,
        );
    }
    await tx.topology.putService({ ...service, active: { member: to.id, by } });
    return to;
  });
}

async function refuseRolledOut(view: StoreView, service: Service): Promise<void> {
  const open = (await view.rollouts.open()).find(
    (rollout) => isOpen(rollout) && rollout.successions.some(({ usage }) => usage === service.id),
  );
  if (open !== undefined && open.status !== "paused")
    throw new DomainError(
      "conflict",
      `rollout ${open.id} changes service ${service.name}, and switches it over itself: pause it first`,
    );
}

function chosenMember(service: Service, all: readonly Member[], nameOrId: string | null): Member {
  const members = membersOf({ members: all }, service);
  const chosen =
    nameOrId === null
      ? members.find(({ id }) => id !== service.active?.member)
      : members.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (chosen === undefined)
    throw new DomainError(
      "not-found",
      `service ${service.name} has no member ${nameOrId ?? ""}: it has ${members.map(({ name }) => name).join(" and ")}`,
    );
  if (chosen.id === service.active?.member && service.active.by === "promotion")
    throw new DomainError("conflict", `${chosen.name} is the active one already`);
  return chosen;
}
