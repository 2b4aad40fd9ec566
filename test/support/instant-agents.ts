import type { HostId, RolloutId } from "../../src/kit/index.ts";
import {
  edgesOf,
  fits,
  processesOf,
  wantedRole,
  type Authority,
  type Credential,
  type CredentialObservation,
  type EdgeProof,
  type Member,
  type Topology,
} from "../../src/domain/index.ts";
import type { ObservedReport } from "../../src/contract/index.ts";
import type { Move } from "../../src/planning/index.ts";
import {
  advanceRollout,
  currentTrust,
  recordObservation,
  type ControlEnvironment,
  type Leadership,
} from "../../src/control/index.ts";
import { issueFor } from "./control-environment.ts";

/**
 * Does in no time what every Node Manager would: gets the certificates that are wanted, presents
 * them, loads the newest trust, proves every edge, and reports it.
 */
export async function settleAgents(env: ControlEnvironment): Promise<void> {
  for (const { id } of await env.store.read((view) => view.topology.hosts()))
    await settleHost(env, id);
}

/** The same for one host. */
export async function settleHost(env: ControlEnvironment, hostId: HostId): Promise<void> {
  for (const { id, desired, recorded } of await credentialsOf(env, hostId))
    if (!recorded.some((key) => fits(key, desired))) await issueFor(env, hostId, id);
  const { topology, epoch, next } = await env.store.read(async (view) => ({
    topology: await view.topology.whole(),
    epoch: (await currentTrust(view)).epoch,
    next: (await view.authorities.all()).filter(({ status }) => status === "next"),
  }));
  const own = processesOf(topology).filter((process) => process.hostId === hostId);
  const ids = new Set<string>(own.map(({ id }) => id));
  const proofs = edgesOf(topology)
    .filter((edge) => ids.has(edge.verifier))
    .flatMap((edge) =>
      next.map(({ id }): EdgeProof => ({
        ...edge,
        authorityId: id,
        verifierEpoch: epoch,
        atMs: 0,
      })),
    );
  const processes = own.map(({ id }) => ({
    id,
    state: "running" as const,
    pid: 1,
    loadedEpoch: epoch,
    filesEpoch: epoch,
    oldestConnectionEpoch: epoch,
    lastError: null,
  }));
  const credentials = (await credentialsOf(env, hostId)).map(observe);
  const members = topology.members.filter((member) => member.hostId === hostId);
  const nodeManager = credentials.find(({ id }) => id.startsWith("nodemanager"));
  const admin = processes.find(({ id }) => id.endsWith(".admin")) ?? null;
  await recordObservation(
    env,
    hostId,
    {
      bootId: `boot of ${hostId}`,
      processes: [
        ...processes.filter((process) => process !== admin),
        ...members.map(({ id }) => ({ ...memberProcess, id })),
      ],
      members: members.map((member) => settledMember(topology, member, next)),
      credentials,
      proofs: proofs.filter(({ verifier }) => verifier !== admin?.id) as never,
    },
    {
      seenSerial: nodeManager?.installed?.serial ?? "",
      seenBy: "nodemanager-1.admin" as never,
      adminProcess: admin,
      servedSerial: admin && (nodeManager?.installed?.serial ?? ""),
      proofs: proofs.filter(({ verifier }) => verifier === admin?.id),
    },
  );
}

type MemberReport = NonNullable<ObservedReport["members"]>[number];

const memberProcess = {
  state: "running" as const,
  pid: 1,
  loadedEpoch: null,
  filesEpoch: 0,
  oldestConnectionEpoch: null,
  lastError: null,
};

/** A member whose server uses what is desired of it, in the role that is. */
function settledMember(
  { services }: Topology,
  member: Member,
  next: readonly Authority[],
): MemberReport {
  const service = services.find(({ id }) => id === member.serviceId);
  const wanted = service === undefined ? null : wantedRole(service, member);
  return {
    id: member.id,
    installed: { sequence: 1, trusts: [...member.trusts] },
    accepts: next.map(({ id }) => id).filter((id) => member.trusts.includes(id)),
    status: { role: wanted?.role ?? null, members: null, connected: null, synchronised: true },
    changedFiles: [],
    findings: [],
    problem: null,
  };
}

function credentialsOf(env: ControlEnvironment, hostId: HostId): Promise<Credential[]> {
  return env.store.read((view) => view.credentials.ofHost(hostId));
}

function observe({ id, process, desired, recorded }: Credential): CredentialObservation {
  const key = recorded.findLast((candidate) => fits(candidate, desired));
  return {
    id,
    installed: key === undefined ? null : { ...key },
    seenOnWire: key === undefined ? null : { serial: key.serial, by: process, atMs: 0 },
    failedRenewals: 0,
    lastError: null,
  };
}

/** Advances a rollout, agents keeping up at once, until it is about to apply `step` or can go no further. */
export async function advanceTo(
  env: ControlEnvironment,
  leadership: Leadership,
  id: RolloutId,
  step: string | null = null,
): Promise<Move> {
  for (let count = 0; count < 100; count++) {
    const rollout = await env.store.read((view) => view.rollouts.get(id));
    const done = rollout?.done.at(-1)?.step.id;
    if (step !== null && done === step) return { do: "nothing" };
    await settleAgents(env);
    const move = await advanceRollout(env, leadership, id, 0);
    if (move.do !== "apply") return move;
  }
  throw new Error(`rollout ${id} does not come to an end`);
}
