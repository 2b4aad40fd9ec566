import type { HostId, ProcessId, RelyingPartyId } from "../kit/index.ts";
import {
  adminProcessOf,
  credentialId,
  edgeKey,
  forgetSuperseded,
  recordConfirmed,
  remember,
  statusChanges,
  type Credential,
  type EdgeProof,
  type Host,
  type HostObservation,
  type MemberObservation,
  type ProcessObservation,
} from "../domain/index.ts";
import type { ObservedReport } from "../contract/index.ts";
import { isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { identityInUse, isUsedElsewhere } from "./identity-use.ts";
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
 * Replaces what is known of a host by its report, but for what an Admin Node Manager on that host
 * says of itself when another one takes the report; a report that was overtaken by a later one of
 * the same start changes nothing. Returns what is known then. Throws `identity-in-use`. A credential whose installed certificate was
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
    const stored = await tx.observations.host(hostId);
    if (isUsedElsewhere(env, stored, { bootId: report.bootId, at: own.seenBy }))
      throw identityInUse(hostId);
    if (stored !== undefined && isOvertaken(report, stored)) return stored;
    const observation = await completeReport(env, tx, hostId, { report, own, stored });
    await tx.observations.putHost(observation);
    await confirmSeen(tx, observation);
    return observation;
  });
}

function isOvertaken(report: ObservedReport, stored: HostObservation): boolean {
  return stored.bootId === report.bootId && (report.sequence ?? 0) < (stored.sequence ?? 0);
}

interface Received {
  readonly report: ObservedReport;
  readonly own: OwnEvidence;
  readonly stored: HostObservation | undefined;
}

async function completeReport(
  env: ControlEnvironment,
  tx: StoreTransaction,
  hostId: HostId,
  { report, own, stored }: Received,
): Promise<HostObservation> {
  const host = await tx.topology.host(hostId);
  const nowMs = env.clock.nowMs();
  const isSeen = own.servedSerial === null || own.servedSerial === own.seenSerial;
  const seenNow = isSeen ? { serial: own.seenSerial, by: own.seenBy, atMs: nowMs } : null;
  const ownCredential = host && credentialId(host.nodeManager.id, "management");
  // What an Admin Node Manager's server shows is only known to itself.
  const seenOnWire =
    host?.nodeManager.isAdmin === true && own.seenBy !== adminProcessOf(host.nodeManager.id)
      ? (stored?.credentials.find(({ id }) => id === ownCredential)?.seenOnWire ?? null)
      : seenNow;
  const credentials = report.credentials.map((credential) =>
    // The Node Manager cannot see its own client certificate: its peer says which one arrived.
    credential.id === ownCredential ? { ...credential, seenOnWire } : credential,
  );
  const admin =
    own.adminProcess === null
      ? lastSaidByAdmin(stored, host)
      : { processes: [own.adminProcess], proofs: own.proofs };
  return {
    hostId,
    bootId: report.bootId,
    ...(report.sequence === undefined ? {} : { sequence: report.sequence }),
    ...(report.revision === undefined ? {} : { revision: report.revision }),
    ...(report.admin === undefined ? {} : { admin: report.admin }),
    ...(report.port === undefined ? {} : { port: report.port }),
    ...(report.keys === undefined ? {} : { keys: report.keys }),
    ...(report.members === undefined
      ? {}
      : { members: report.members.map((member) => withHistory(member, stored, nowMs)) }),
    receivedAtMs: nowMs,
    receivedBy: own.seenBy,
    credentials,
    processes: [...report.processes, ...admin.processes],
    proofs: newestProofs([...report.proofs, ...admin.proofs]),
  };
}

/** What a member reports, with what its server said before and forgets. */
function withHistory(
  member: MemberObservation,
  stored: HostObservation | undefined,
  nowMs: number,
): MemberObservation {
  const before = stored?.members?.find(({ id }) => id === member.id);
  const changes = before === undefined ? [] : statusChanges(before.status, member.status);
  const history = remember(before?.history ?? [], changes, nowMs);
  return history.length === 0 ? member : { ...member, history };
}

/** What the Admin Node Manager on a host last said of itself, for a report that another one takes. */
function lastSaidByAdmin(
  stored: HostObservation | undefined,
  host: Host | undefined,
): Pick<HostObservation, "processes" | "proofs"> {
  if (stored === undefined || host?.nodeManager.isAdmin !== true)
    return { processes: [], proofs: [] };
  const id = adminProcessOf(host.nodeManager.id);
  return {
    processes: stored.processes.filter((process) => process.id === id),
    proofs: stored.proofs.filter((proof) => proof.verifier === id),
  };
}

function proofKey(proof: EdgeProof): string {
  return edgeKey({ ...proof, usage: "management" }, proof.authorityId);
}

/** The proof with the highest epoch of each edge. */
function newestProofs(proofs: readonly EdgeProof[]): EdgeProof[] {
  const newest = new Map<string, EdgeProof>();
  for (const proof of proofs) {
    const key = proofKey(proof);
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

type OwnState = Pick<OwnEvidence, "proofs"> & { readonly adminProcess: ProcessObservation };

/** True if the store has what an Admin Node Manager says of itself, or nothing yet to say it in. */
export async function isOwnProcessRecorded(
  env: ControlEnvironment,
  hostId: HostId,
  own: OwnState,
): Promise<boolean> {
  const stored = await env.store.read((view) => view.observations.host(hostId));
  if (stored === undefined) return true;
  const process = stored.processes.find(({ id }) => id === own.adminProcess.id);
  const fields = Object.keys(own.adminProcess) as (keyof ProcessObservation)[];
  if (fields.some((field) => process?.[field] !== own.adminProcess[field])) return false;
  const known = new Map(stored.proofs.map((proof) => [proofKey(proof), proof.verifierEpoch]));
  return own.proofs.every((proof) => (known.get(proofKey(proof)) ?? -1) >= proof.verifierEpoch);
}

/** Replaces what an Admin Node Manager says of its own server process and has proven as a verifier. */
export async function recordOwnProcess(
  env: ControlEnvironment,
  hostId: HostId,
  own: OwnState,
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
