import type { AuthorityId, ProcessId } from "../kit/index.ts";
import { credentialId, type Finding, type Member, type Service } from "../domain/index.ts";
import { memberWaves } from "./member-waves.ts";
import type { Condition, Step } from "./plan.ts";

/** Amlen's default of DiscoveryTimeout: for so long a restarted member looks for its partner. */
const discoverySecondsDefault = 600;

interface Change {
  readonly service: Service;
  readonly members: readonly Member[];
  readonly active: ReadonlyMap<string | null, ProcessId>;
  readonly adds: readonly AuthorityId[];
  readonly removes: readonly AuthorityId[];
}

/**
 * The documented order for servers that cannot trust what was and what is to be at once: each member gets new
 * credentials and new trust in one step, standbys before active ones. Those that are changed and those that
 * are not do not know each other meanwhile, so a service is well again only after the last step; each has to be
 * done before the members give up looking for each other.
 */
export function documentedSteps(change: Change): Step[] {
  const { service, members, adds, removes } = change;
  const { waves } = memberWaves({ ...change, interrupts: true });
  const nameOf = new Map(members.map(({ id, name }) => [id, name]));
  const watcher = service.shape === "cluster" ? waves.at(-1)?.members[0] : undefined;
  return waves.map(({ members: ids }, i): Step => {
    const credentials = ids.map((id) => credentialId(id, service.id));
    const isLast = i === waves.length - 1;
    const changed = waves.slice(0, i + 1).flatMap((wave) => wave.members).length;
    return {
      id: `replace-${service.id}-${i + 1}`,
      phase: "reissue",
      title: `${ids.map((id) => nameOf.get(id) ?? id).join(", ")} of ${service.name} gets new credentials and trust, and is restarted`,
      edit: { do: "replace-members", members: ids, credentials, adds, removes },
      gate: [
        { require: "members-trust", members: ids, proven: [] },
        { require: "presented", credentials },
        ...(isLast
          ? ([{ require: "service-well", service: service.id }] satisfies Condition[])
          : []),
        ...(isLast || watcher === undefined
          ? []
          : ([{ require: "disconnected", watcher, count: changed }] satisfies Condition[])),
      ],
      deadlineSeconds: isLast
        ? discoverySeconds(members)
        : service.driver.traits.backWithinSeconds * 2,
    };
  });
}

/** The shortest time that a member looks for its partner, where that is configured. */
function discoverySeconds(members: readonly Member[]): number {
  const given = members.flatMap(({ settings }) => {
    const { DiscoveryTimeout: seconds } = (settings?.["HighAvailability"] ?? {}) as {
      DiscoveryTimeout?: unknown;
    };
    return typeof seconds === "number" ? [seconds] : [];
  });
  return Math.min(discoverySecondsDefault, ...given);
}

/** What will be unavailable, and for how long: said before it starts. */
export function documentedNotes({ service, members }: Change): Finding[] {
  const seconds = service.driver.traits.backWithinSeconds;
  const text = {
    replicas: `the ${members.length} members of ${service.name} are restarted one at a time, each for up to ${seconds} s`,
    pair: `${service.name} has no standby from its first restart until both members have new credentials, and serves nobody while its active member is restarted, for up to ${seconds} s; the second step has to be done within ${discoverySeconds(members)} s (DiscoveryTimeout), or the first member gives up and has to be restarted`,
    cluster: `while the ${members.length} members of ${service.name} are restarted one at a time, each for up to ${seconds} s, those that have new credentials and those that have not are not connected with each other`,
  }[service.shape];
  return [{ code: "documented-outage", severity: "warning", subject: service.id, text }];
}
