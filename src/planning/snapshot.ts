import type { CredentialId, HostId, ProcessId, RelyingPartyId } from "../kit/index.ts";
import {
  edgeKey,
  processesOf,
  type Authority,
  type Credential,
  type CredentialObservation,
  type EdgeProof,
  type HostObservation,
  type Process,
  type ProcessObservation,
  type RelyingPartyObservation,
  type SigningRequest,
  type Topology,
  type TrustDocument,
} from "../domain/index.ts";
import type { ForeignCertificate } from "./foreign-holders.ts";

/** Everything a plan or a gate looks at, read in one transaction. */
export interface DomainSnapshot {
  readonly nowMs: number;
  readonly revision: number;
  readonly topology: Topology;
  readonly authorities: readonly Authority[];
  readonly credentials: readonly Credential[];
  readonly signingRequests: readonly SigningRequest[];
  readonly foreign: readonly ForeignCertificate[];
  readonly trust: TrustDocument;
  readonly hosts: readonly HostObservation[];
  readonly relyingParties: readonly RelyingPartyObservation[];
  /** A host or relying party not heard of for this long counts as silent. */
  readonly silentAfterMs: number;
}

/** A snapshot with its observations arranged for look-up. */
export interface Evidence {
  readonly snapshot: DomainSnapshot;
  readonly processes: readonly Process[];
  readonly hostOf: ReadonlyMap<HostId, HostObservation>;
  readonly processOf: ReadonlyMap<ProcessId, ProcessObservation>;
  readonly credentialOf: ReadonlyMap<CredentialId, CredentialObservation>;
  readonly partyOf: ReadonlyMap<RelyingPartyId, RelyingPartyObservation>;
  /** Highest epoch that a verifier had loaded in a proof of an edge, by `edgeKey`. */
  readonly provenEpoch: ReadonlyMap<string, number>;
}

/** True if no Admin Node Manager has heard of a host or relying party lately. */
export function isSilent(
  { nowMs, silentAfterMs }: Pick<DomainSnapshot, "nowMs" | "silentAfterMs">,
  seen: { readonly receivedAtMs: number } | undefined,
): boolean {
  return seen === undefined || nowMs - seen.receivedAtMs > silentAfterMs;
}

/** Arranges a snapshot. A proof counts only if the verifier's own side reported it. */
export function arrangeEvidence(snapshot: DomainSnapshot): Evidence {
  const processes = processesOf(snapshot.topology);
  const hostOfProcess = new Map<string, HostId>(
    processes.map((process) => [process.id, process.hostId]),
  );
  const provenEpoch = new Map<string, number>();
  const credit = (proof: EdgeProof, usage: "management" | "traffic"): void => {
    const key = edgeKey({ ...proof, usage }, proof.authorityId);
    provenEpoch.set(key, Math.max(provenEpoch.get(key) ?? 0, proof.verifierEpoch));
  };
  for (const host of snapshot.hosts) {
    for (const proof of host.proofs)
      if (hostOfProcess.get(proof.verifier) === host.hostId) credit(proof, "management");
  }
  for (const party of snapshot.relyingParties) {
    for (const proof of party.proofs) if (proof.verifier === party.id) credit(proof, "traffic");
  }
  return {
    snapshot,
    processes,
    hostOf: new Map(snapshot.hosts.map((host) => [host.hostId, host])),
    processOf: new Map(
      snapshot.hosts.flatMap((host) => host.processes.map((process) => [process.id, process])),
    ),
    credentialOf: new Map(
      snapshot.hosts.flatMap((host) =>
        host.credentials.map((credential) => [credential.id, credential]),
      ),
    ),
    partyOf: new Map(snapshot.relyingParties.map((party) => [party.id, party])),
    provenEpoch,
  };
}
