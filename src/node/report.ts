import { describeError, type AuthorityId, type ProcessId } from "../kit/index.ts";
import { isServiceUsage } from "../domain/index.ts";
import type { ObservedReport } from "../contract/index.ts";
import { folderOf } from "./credentials.ts";
import { readFolder } from "./credential-folder.ts";
import { seeServedSerial } from "./instance-link.ts";
import type { Instances } from "./instances.ts";
import type { Members } from "./members/members.ts";
import type { NodeState } from "./node-state.ts";
import type { HostRole } from "./role.ts";

/** What this host proves of itself now. */
export async function observeHost(
  state: NodeState,
  instances: Instances,
  members: Pick<Members, "report" | "credentialOf">,
  role: Pick<HostRole, "oldestEpoch" | "observation">,
): Promise<ObservedReport> {
  const { trust, processId, bootId, desired } = state;
  const processes: ObservedReport["processes"] = [
    {
      id: processId,
      state: "running",
      pid: process.pid,
      loadedEpoch: trust.epoch,
      filesEpoch: trust.epoch,
      oldestConnectionEpoch: role.oldestEpoch,
      lastError: null,
    },
  ];
  for (const { id } of desired?.instances ?? []) {
    const status = instances.statusOf(id);
    processes.push({
      id,
      ...(await instances.stateOf(id)),
      loadedEpoch: status?.loadedEpoch ?? null,
      filesEpoch: instances.filesEpochOf(id),
      oldestConnectionEpoch: status?.oldestConnectionEpoch ?? null,
    });
  }
  const { processes: ofMembers, ...membersPart } = await members.report();
  processes.push(...ofMembers);
  const credentials = await Promise.all(
    (desired?.credentials ?? []).map(async (wanted) =>
      isServiceUsage(wanted.usage)
        ? memberCredential(state, members, wanted)
        : observeCredential(state, instances, wanted),
    ),
  );
  return {
    bootId,
    ...(desired === null ? {} : { revision: desired.revision }),
    admin: role.observation(),
    port: state.settings.port,
    ...keysPart(state),
    processes,
    credentials,
    ...membersPart,
    proofs: [...state.proofs.values()].map((proof) => ({
      ...proof,
      verifier: proof.verifier as ProcessId,
    })),
  };
}

function keysPart({ groups }: NodeState): Pick<ObservedReport, "keys"> {
  const keys = groups.observation();
  return keys === undefined ? {} : { keys };
}

type Wanted = NonNullable<NodeState["desired"]>["credentials"][number];

/** Of a member's credential: what its server uses, which may be behind what this host has for it. */
function memberCredential(
  state: NodeState,
  members: Pick<Members, "credentialOf">,
  { id, process }: Wanted,
): ObservedReport["credentials"][number] {
  const health = state.health(id);
  const member = members.credentialOf(process);
  const installed = member?.installed ?? null;
  const { serial } = installed ?? {};
  if (member?.isShown !== true || serial === undefined) health.seenOnWire = null;
  else if (health.seenOnWire?.serial !== serial)
    health.seenOnWire = { serial, by: state.processId, atMs: Date.now() };
  return {
    id,
    installed: installed && {
      sequence: installed.sequence,
      serial: installed.serial,
      authorityId: installed.authorityId,
      notAfterMs: installed.notAfterMs,
    },
    seenOnWire: health.seenOnWire,
    failedRenewals: health.failedRenewals,
    lastError: health.lastError ?? member?.refusal?.slice(0, 1_000) ?? null,
  };
}

async function observeCredential(
  state: NodeState,
  instances: Instances,
  wanted: Wanted,
): Promise<ObservedReport["credentials"][number]> {
  const health = state.health(wanted.id);
  const { current } = await readFolder(folderOf(state, wanted));
  if (current !== null && health.seenOnWire?.serial !== current.serial)
    await lookOnWire(state, instances, wanted, current.serial);
  return {
    id: wanted.id,
    installed: current && {
      sequence: current.sequence,
      serial: current.serial,
      authorityId: current.authorityId satisfies AuthorityId,
      notAfterMs: current.notAfterMs,
    },
    seenOnWire: health.seenOnWire,
    failedRenewals: health.failedRenewals,
    lastError: health.lastError,
  };
}

/** Reads the served certificate from the live port; a renewal is done only when it is seen there. */
async function lookOnWire(
  state: NodeState,
  instances: Instances,
  wanted: Wanted,
  serial: string,
): Promise<void> {
  if (wanted.process === state.processId || instances.statusOf(wanted.process) === null) return;
  const instance = state.desired?.instances.find((candidate) => candidate.id === wanted.process);
  if (instance === undefined) return;
  try {
    const served = await seeServedSerial(
      state,
      wanted.usage === "traffic" ? instance.servicesPort : instance.managementPort,
      wanted.usage,
    );
    if (served === serial)
      state.health(wanted.id).seenOnWire = { serial, by: state.processId, atMs: Date.now() };
  } catch (error) {
    state.log.debug(
      { credential: wanted.id, error: describeError(error) },
      "the served certificate could not be seen",
    );
  }
}
