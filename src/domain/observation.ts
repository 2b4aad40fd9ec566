import type {
  AuthorityId,
  CredentialId,
  GroupId,
  HostId,
  ProcessId,
  RelyingPartyId,
} from "../kit/index.ts";
import type { VerifierId } from "./edges.ts";
import type { MemberObservation } from "./service.ts";

/** What a Node Manager last proved about its host. A newer report replaces an older one whole. */
export interface HostObservation {
  readonly hostId: HostId;
  /** Random per start of the Node Manager. */
  readonly bootId: string;
  /** Rises with every report of one start; a report of an earlier version's Node Manager has none. */
  readonly sequence?: number;
  /** Of the desired state that the host follows; absent: it had none. */
  readonly revision?: number;
  /** Wall clock of the Admin Node Manager when the report arrived. */
  readonly receivedAtMs: number;
  /** Which Admin Node Manager took the report; an earlier version did not say. */
  readonly receivedBy?: ProcessId;
  /** Absent: its Node Manager is of a version that cannot change what it is. */
  readonly admin?: AdminObservation;
  /** On which it, or its Admin Node Manager, listens. */
  readonly port?: number;
  /** Absent: its Node Manager is of a version that knows no passphrases. */
  readonly keys?: KeysObservation;
  readonly processes: readonly ProcessObservation[];
  readonly credentials: readonly CredentialObservation[];
  /** Absent: its Node Manager is of a version that knows no services. */
  readonly members?: readonly MemberObservation[];
  readonly proofs: readonly EdgeProof[];
}

/** How the keys of a host are protected. */
interface KeysObservation {
  /** Those of its Node Manager are encrypted, and so what is sealed for it is. */
  readonly isEncrypted: boolean;
  /** What passphrases of groups are sealed for: SPKI, base64. */
  readonly sealingKey: string;
  /** Of each group with a passphrase, the version that all keys of its instances here are under. */
  readonly groups: readonly { readonly groupId: GroupId; readonly version: number }[];
}

/** How a host stands to being an Admin Node Manager. */
export interface AdminObservation {
  /** It is one now, whatever it is to be. */
  readonly isAdmin: boolean;
  /** It can become one: its home says how to log in to the database. */
  readonly hasDatabaseLogin: boolean;
  /** Why it is not yet what it is to be, or its Admin Node Manager does not run. */
  readonly problem: string | null;
}

export type ProcessState = "running" | "starting" | "stopped" | "failed";

export interface ProcessObservation {
  readonly id: ProcessId;
  readonly state: ProcessState;
  readonly pid: number | null;
  /** Epoch of the trust document that the process has loaded; null while it does not run. */
  readonly loadedEpoch: number | null;
  /** Epoch of the trust document in the process's files. */
  readonly filesEpoch: number;
  /** Epoch at the handshake of its oldest open connection; null if none is open. */
  readonly oldestConnectionEpoch: number | null;
  /** Why it does not run although it should; null while it runs, or is meant to be stopped. */
  readonly lastError: string | null;
}

export interface CredentialObservation {
  readonly id: CredentialId;
  /** What is installed in the files, or null before the first installation. */
  readonly installed: {
    readonly sequence: number;
    readonly serial: string;
    readonly authorityId: AuthorityId;
    readonly notAfterMs: number;
  } | null;
  /** Serial that a peer saw in a handshake with the running process, and who saw it. */
  readonly seenOnWire: {
    readonly serial: string;
    readonly by: ProcessId;
    readonly atMs: number;
  } | null;
  readonly failedRenewals: number;
  /** Why the last try failed; null after a success. */
  readonly lastError: string | null;
}

/**
 * `verifier`, with the trust of `verifierEpoch` loaded, accepted a full handshake in which
 * `presenter` showed a probe certificate of `authorityId`, and said so in application data.
 */
export interface EdgeProof {
  readonly verifier: VerifierId;
  readonly presenter: ProcessId;
  readonly authorityId: AuthorityId;
  readonly verifierEpoch: number;
  readonly atMs: number;
}

/** What a managed relying party last reported. */
export interface RelyingPartyObservation {
  readonly id: RelyingPartyId;
  readonly receivedAtMs: number;
  readonly loadedEpoch: number;
  readonly oldestConnectionEpoch: number | null;
  readonly proofs: readonly EdgeProof[];
}
