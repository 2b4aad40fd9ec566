import { assert, type AuthorityId, type ProcessId, type ServiceId } from "../kit/index.ts";
import {
  credentialId,
  isServiceUsage,
  membersOf,
  type Finding,
  type Member,
  type Service,
} from "../domain/index.ts";
import { documentedNotes, documentedSteps } from "./documented-steps.ts";
import { memberWaves, type MemberWave } from "./member-waves.ts";
import type { Condition, Edit, Phase, Step, Succession } from "./plan.ts";
import type { DomainSnapshot } from "./snapshot.ts";

/** A service as its plans look at it. */
interface Planned {
  readonly service: Service;
  readonly members: readonly Member[];
  /** Who is active at the point that the plan has come to, by pair. */
  active: ReadonlyMap<string | null, ProcessId>;
}

export interface RotationRest {
  readonly unmanaged: readonly string[];
  readonly observeSeconds: number;
  readonly strategy: Strategy;
}

/**
 * `overlap`: members trust old and new for a while, and nobody is ever unknown to anybody;
 * `documented`: each gets all that is new at once, in the order of its vendor's runbook.
 */
export type Strategy = "overlap" | "documented";

/**
 * The steps that replace the authority of a service: its members trust old and new, one wave after
 * another, before the first of them shows a certificate of the new one; the old one goes when all do. After every
 * step the service has to be well: enough members there, roles taken, copies in step.
 */
export function serviceRotationSteps(
  snapshot: DomainSnapshot,
  succession: Succession,
  rest: RotationRest,
): Step[] {
  const planned = plannedOf(snapshot, succession.usage);
  const { traits } = planned.service.driver;
  const { from, to } = succession;
  const isOverlap = rest.strategy === "overlap";
  const usages = [succession.usage];
  const well: Condition = { require: "service-well", service: planned.service.id };
  return [
    {
      id: "prepare",
      phase: "prepare",
      title: "Make the new CA",
      edit: { do: "create-authorities", successions: [succession] },
      gate: [],
    },
    {
      id: "introduce",
      phase: "introduce",
      title: "Let the hosts know the new CA",
      edit: { do: "trust", authorities: [to] },
      gate: [well],
    },
    ...(isOverlap ? trustSteps(planned, "introduce", { adds: [to], removes: [] }) : []),
    {
      id: "issue",
      phase: "issue",
      title: "Sign new requests with the new CA",
      edit: { do: "make-current", authorities: [to] },
      gate: [],
    },
    ...(isOverlap
      ? memberReissueSteps(planned)
      : documentedSteps({ ...planned, adds: [to], removes: [from] })),
    ...settlingSteps(usages, well, rest),
    ...(isOverlap && traits.verifiesPeers
      ? trustSteps(planned, "retire", { adds: [], removes: [from] })
      : []),
    {
      id: "retire",
      phase: "retire",
      title: "Stop trusting the old CA",
      edit: { do: "distrust", authorities: [from], deny: false },
      gate: [{ require: "all-presented", usages }, well],
    },
  ];
}

function settlingSteps(
  usages: readonly Succession["usage"][],
  well: Condition,
  rest: RotationRest,
): Step[] {
  return [
    {
      id: "reissue-rest",
      phase: "reissue",
      title: "Reissue what was created under the old CA in the meantime",
      edit: { do: "reissue-rest", usages },
      gate: [{ require: "all-presented", usages }, well],
    },
    {
      id: "observe",
      phase: "observe",
      title: "Watch that everything holds under the new CA",
      edit: { do: "watch" },
      gate: [
        { require: "all-presented", usages },
        well,
        { require: "unmanaged-waived", subjects: rest.unmanaged },
        { require: "held-for", seconds: rest.observeSeconds },
      ],
    },
  ];
}

/**
 * The steps by which servers that run with the credentials that they came with, or with none, get
 * those of the service: nothing of theirs could be trusted besides.
 */
export function takeOverSteps(snapshot: DomainSnapshot, usage: ServiceId): Step[] {
  const planned = plannedOf(snapshot, usage);
  const [current] = snapshot.authorities.filter(
    (authority) => authority.usage === usage && authority.status === "current",
  );
  assert(current !== undefined, "a service has a current authority from its creation on");
  return [
    ...documentedSteps({ ...planned, adds: [current.id], removes: [] }),
    {
      id: "observe",
      phase: "observe",
      title: "Watch that everything holds",
      edit: { do: "watch" },
      gate: [
        { require: "all-presented", usages: [usage] },
        { require: "service-well", service: usage },
      ],
    },
  ];
}

/** New certificates, with new keys, for the members of the services that the credentials belong to. */
export function memberReplacementSteps(
  snapshot: DomainSnapshot,
  chosen: readonly { readonly process: ProcessId; readonly usage: string }[],
): Step[] {
  return snapshot.topology.services.flatMap((service) => {
    const wanted = new Set(
      chosen.filter(({ usage }) => usage === service.id).map(({ process }) => process),
    );
    if (wanted.size === 0) return [];
    const planned = plannedOf(snapshot, service.id);
    const members = planned.members.filter(({ id }) => wanted.has(id));
    return memberReissueSteps({ ...planned, members });
  });
}

function plannedOf({ topology, hosts }: DomainSnapshot, usage: Succession["usage"]): Planned {
  const service = topology.services.find(({ id }) => id === usage);
  assert(service !== undefined, "a usage that is a service's is that of a service");
  const members = membersOf(topology, service);
  const seen = new Map(hosts.flatMap((host) => host.members ?? []).map((each) => [each.id, each]));
  const active = new Map<string | null, ProcessId>();
  for (const { id, pair } of members)
    if (seen.get(id)?.status?.role === "active") active.set(pair, id);
  if (service.active !== null) active.set(null, service.active.member);
  return { service, members, active };
}

interface TrustChange {
  readonly adds: readonly AuthorityId[];
  readonly removes: readonly AuthorityId[];
}

/** One wave of members after another trusts other CAs than before. */
function trustSteps(planned: Planned, phase: Phase, change: TrustChange): Step[] {
  const { service } = planned;
  const { trustBy, verifiesPeers, evidence } = service.driver.traits;
  const proven = verifiesPeers && evidence === "handshake" ? change.adds : [];
  const verb = change.adds.length > 0 ? "trusts the new CA too" : "trusts the new CA only";
  return waveSteps(planned, verifiesPeers && trustBy === "restart", {
    id: `${phase}-${service.id}`,
    phase,
    verb,
    edit: (members) => ({ do: "trust-members", members, ...change }),
    gate: (members) => [{ require: "members-trust", members, proven }],
  });
}

/** One wave of members after another shows a certificate of the current authority. */
function memberReissueSteps(planned: Planned): Step[] {
  const { service } = planned;
  return waveSteps(planned, service.driver.traits.keyBy === "restart", {
    id: `reissue-${service.id}`,
    phase: "reissue",
    verb: "shows a new certificate",
    edit: (members) => ({ do: "reissue", credentials: credentialsOf(service.id, members) }),
    gate: (members) => [{ require: "presented", credentials: credentialsOf(service.id, members) }],
  });
}

function credentialsOf(service: ServiceId, members: readonly ProcessId[]) {
  return members.map((id) => credentialId(id, service));
}

interface Change {
  readonly id: string;
  readonly phase: Phase;
  readonly verb: string;
  readonly edit: (members: readonly ProcessId[]) => Edit;
  readonly gate: (members: readonly ProcessId[]) => Condition[];
}

function waveSteps(planned: Planned, interrupts: boolean, change: Change): Step[] {
  const { service, members } = planned;
  const { waves, active } = memberWaves({ ...planned, interrupts });
  planned.active = active;
  const nameOf = new Map(members.map(({ id, name }) => [id, name]));
  const names = (ids: readonly ProcessId[]): string =>
    ids.map((id) => nameOf.get(id) ?? id).join(", ");
  const deadlineSeconds = service.driver.traits.backWithinSeconds * 2;
  return waves.flatMap((wave, i): Step[] => [
    ...handOverSteps(service, wave, { id: `${change.id}-${i + 1}`, phase: change.phase, names }),
    {
      id: `${change.id}-${i + 1}`,
      phase: change.phase,
      title: `${names(wave.members)} of ${service.name} ${change.verb}${i === 0 && waves.length > 1 ? ", as the canary" : ""}`,
      edit: change.edit(wave.members),
      gate: [
        ...change.gate(wave.members),
        { require: "service-well", service: service.id },
        ...(i === 0 && waves.length > 1 && service.driver.traits.countsCalls
          ? canaryGate(wave.members, members)
          : []),
      ],
      deadlineSeconds,
    },
  ]);
}

/** Long enough for the callers of a busy service to say whether something is wrong. */
const canarySeconds = 5;

function canaryGate(canary: readonly ProcessId[], members: readonly Member[]): Condition[] {
  const others = members.map(({ id }) => id).filter((id) => !canary.includes(id));
  return [
    { require: "no-worse", members: canary, others },
    { require: "held-for", seconds: canarySeconds },
  ];
}

function handOverSteps(
  service: Service,
  { handOverTo }: MemberWave,
  of: { id: string; phase: Phase; names: (ids: readonly ProcessId[]) => string },
): Step[] {
  if (handOverTo === null) return [];
  return [
    {
      id: `${of.id}-hand-over`,
      phase: of.phase,
      title: `${of.names([handOverTo])} of ${service.name} takes over`,
      edit: { do: "hand-over", service: service.id, to: handOverTo },
      gate: [{ require: "service-well", service: service.id }],
      deadlineSeconds: service.driver.traits.backWithinSeconds * 2,
    },
  ];
}

/** What a plan for a service says before it starts: what cannot be proven, and what is away for how long. */
export function serviceNotes(
  snapshot: DomainSnapshot,
  { usage }: Pick<Succession, "usage">,
  strategy: Strategy,
): Finding[] {
  if (!isServiceUsage(usage)) return [];
  const planned = plannedOf(snapshot, usage);
  const { service, members } = planned;
  if (strategy === "documented") return documentedNotes({ ...planned, adds: [], removes: [] });
  const { traits, name } = service.driver;
  const note = (code: string, severity: Finding["severity"], text: string): Finding => ({
    code,
    severity,
    subject: service.id,
    text,
  });
  const rounds =
    Number(traits.keyBy === "restart") +
    (traits.verifiesPeers && traits.trustBy === "restart" ? 2 : 0);
  const notes: Finding[] = [];
  if (rounds > 0)
    notes.push(
      note(
        "members-restart",
        "warning",
        `${name} reads ${traits.keyBy === "restart" ? "keys and CAs" : "CAs"} at its start only: each of the ${members.length} members of ${service.name} is restarted ${rounds === 1 ? "once" : `${rounds} times`}, one at a time, and is away for up to ${traits.backWithinSeconds} s each time`,
      ),
    );
  if (traits.verifiesPeers && traits.evidence === "loaded")
    notes.push(
      note(
        "trust-not-probed",
        "info",
        `${name} gives no answer that proves whose certificates it accepts: that members of ${service.name} have loaded a CA is known from their ${traits.trustBy} and from the handshakes after it`,
      ),
    );
  return notes;
}
