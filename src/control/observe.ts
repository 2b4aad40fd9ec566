import type { HostId, ProcessId, RelyingPartyId } from "../kit/index.ts";
import {
  credentialId,
  edgeKey,
  forgetSuperseded,
  recordConfirmed,
  type Credential,
  type EdgeProof,
  type HostObservation,
  type ProcessObservation,
} from "../domain/index.ts";
import type { ObservedReport } from "../contract/index.ts";
import { isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreTransaction } from "./ports.ts";

/** What the Admin Node Manager itself saw of the host that reports, or of itself. */
export interface OwnEvidence {
  /** Serial of the certificate that the Node Manager showed in this connection. */
  readonly seenSerial: string;
  readonly seenBy: ProcessId;
  /** Set when the report is that of the Admin Node Manager's own host. */
  readonly adminProcess: ProcessObservation | null;
  /** Then also the serial that its server shows: it loads the credential on its own, and later. */
  readonly servedSerial: string | null;
  /** Edges in which the Admin Node Manager was the verifier. */
  readonly proofs: readonly EdgeProof[];
}

/**
 * Replaces what is known of a host by its report. A credential whose installed certificate was
 * seen on the wire is confirmed: unless a rollout is open, which might go back, the keys before it
 * are forgotten. Writes nothing that raises the feed.
 */
export async function recordObservation(
  env: ControlEnvironment,
  hostId: HostId,
  report: ObservedReport,
  own: OwnEvidence,
): Promise<HostObservation> {
  return env.store.note(async (tx) => {
    const observation = await completeReport(env, tx, hostId, report, own);
    await tx.observations.putHost(observation);
    await confirmSeen(tx, observation);
    return observation;
  });
}

async function completeReport(
  env: ControlEnvironment,
  tx: StoreTransaction,
  hostId: HostId,
  report: ObservedReport,
  own: OwnEvidence,
): Promise<HostObservation> {
  const host = await tx.topology.host(hostId);
  const nowMs = env.clock.nowMs();
  const isSeen = own.servedSerial === null || own.servedSerial === own.seenSerial;
  const seenOnWire = isSeen ? { serial: own.seenSerial, by: own.seenBy, atMs: nowMs } : null;
  const credentials = report.credentials.map((credential) =>
    // The Node Manager cannot see its own client certificate: its peer says which one arrived.
    host !== undefined && credential.id === credentialId(host.nodeManager.id, "management")
      ? { ...credential, seenOnWire }
      : credential,
  );
  return {
    hostId,
    bootId: report.bootId,
    receivedAtMs: nowMs,
    credentials,
    processes:
      own.adminProcess === null ? report.processes : [...report.processes, own.adminProcess],
    proofs: newestProofs([...report.proofs, ...own.proofs]),
  };
}

/** The proof with the highest epoch of each edge. */
function newestProofs(proofs: readonly EdgeProof[]): EdgeProof[] {
  const newest = new Map<string, EdgeProof>();
  for (const proof of proofs) {
    const key = edgeKey({ ...proof, usage: "management" }, proof.authorityId);
    if ((newest.get(key)?.verifierEpoch ?? -1) < proof.verifierEpoch) newest.set(key, proof);
  }
  return [...newest.values()];
}

async function confirmSeen(tx: StoreTransaction, observation: HostObservation): Promise<void> {
  const credentials = new Map(
    (await tx.credentials.ofHost(observation.hostId)).map((credential) => [
      credential.id,
      credential,
    ]),
  );
  const mayGoBack = (await tx.rollouts.open()).some(isOpen);
  for (const { id, installed, seenOnWire } of observation.credentials) {
    const credential = credentials.get(id);
    if (credential === undefined || installed === null || seenOnWire?.serial !== installed.serial)
      continue;
    const recorded = confirmed(credential, installed.serial, mayGoBack);
    if (recorded === undefined) continue;
    await tx.credentials.putRecorded({ id, lastSequence: credential.lastSequence, recorded });
    await tx.topology.raiseDocumentVersion(observation.hostId);
  }
}

/** The recorded keys after `serial` was seen, or undefined if that is no news. */
function confirmed(
  credential: Credential,
  serial: string,
  mayGoBack: boolean,
): Credential["recorded"] | undefined {
  const marked = recordConfirmed(credential.recorded, serial);
  const kept = mayGoBack
    ? marked
    : forgetSuperseded({ desired: credential.desired, recorded: marked });
  const isNews =
    kept.length !== credential.recorded.length ||
    kept.some((key, i) => key.confirmed !== credential.recorded[i]?.confirmed);
  return isNews ? kept : undefined;
}

/** Replaces what an Admin Node Manager says of its own server process and has proven as a verifier. */
export async function recordOwnProcess(
  env: ControlEnvironment,
  hostId: HostId,
  own: Pick<OwnEvidence, "proofs"> & { readonly adminProcess: ProcessObservation },
): Promise<void> {
  await env.store.note(async (tx) => {
    const observation = await tx.observations.host(hostId);
    if (observation === undefined) return;
    const processes = observation.processes.filter((process) => process.id !== own.adminProcess.id);
    await tx.observations.putHost({
      ...observation,
      processes: [...processes, own.adminProcess],
      proofs: newestProofs([...observation.proofs, ...own.proofs]),
    });
  });
}

/** Replaces what is known of a managed relying party by its report. */
export async function recordRelyingParty(
  env: ControlEnvironment,
  id: RelyingPartyId,
  report: {
    readonly loadedEpoch: number;
    readonly oldestConnectionEpoch: number | null;
    readonly proofs: readonly Omit<EdgeProof, "verifier" | "atMs">[];
  },
): Promise<void> {
  const receivedAtMs = env.clock.nowMs();
  const proofs = report.proofs.map((proof) => ({ ...proof, verifier: id, atMs: receivedAtMs }));
  await env.store.note((tx) =>
    tx.observations.putRelyingParty({
      id,
      receivedAtMs,
      loadedEpoch: report.loadedEpoch,
      oldestConnectionEpoch: report.oldestConnectionEpoch,
      proofs,
    }),
  );
}
