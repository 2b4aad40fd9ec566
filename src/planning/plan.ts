import type { AuthorityId, CredentialId, PlanId, ProcessId, ServiceId } from "../kit/index.ts";
import type { AuthoritySigning, AuthorityUsage, Finding } from "../domain/index.ts";

export type PlanKind = "replace-leaves" | "rotate-ca" | "take-over";

/** The movements of a change of trust, in the only safe order; renewals of leaves use `reissue` alone. */
export type Phase =
  | "prepare"
  | "introduce"
  | "collect"
  | "issue"
  | "reissue"
  | "observe"
  | "retire"
  | "return"
  | "deny";

/**
 * A change computed in full before anything is touched: it leaves execution no choice. It may
 * start only while the feed revision it was computed from is still the current one.
 */
export interface Plan {
  readonly id: PlanId;
  readonly kind: PlanKind;
  readonly title: string;
  readonly parentRevision: number;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly steps: readonly Step[];
  /** One entry per authority that a rotation replaces. */
  readonly successions: readonly Succession[];
  /** Credentials that get a new certificate. */
  readonly replaced: readonly CredentialId[];
  /** Relying parties whose trust cannot be proven; the retire phase waits for a waiver that names each. */
  readonly unprovable: readonly Finding[];
  /** What would break; a plan with an error here is refused. */
  readonly problems: readonly Finding[];
}

export interface Succession {
  readonly usage: AuthorityUsage;
  readonly from: AuthorityId;
  readonly to: AuthorityId;
  /** Subject of the new root, RFC 4514 text; differs from every earlier root of the domain. */
  readonly subject: string;
  /** The key of `from` is lost: it certifies nothing, and `to` is proven by its own probes alone. */
  readonly isKeyLost?: true;
  /** The new CA, where it is not made here; absent: its key and root are made. */
  readonly given?: GivenAuthority;
}

/** A CA that was not made here: its certificate, and those between it and what it signs. */
export interface GivenAuthority {
  readonly signing: Exclude<AuthoritySigning, "generated">;
  readonly certificatePem: string;
  readonly intermediatesPem: string;
}

/** An edit of desired state, and what must be observed before the next step begins. */
export interface Step {
  readonly id: string;
  readonly phase: Phase;
  readonly title: string;
  readonly edit: Edit;
  readonly gate: readonly Condition[];
  /** After this long without its gate holding, the step is overdue, which is said; absent: it takes its time. */
  readonly deadlineSeconds?: number;
}

export type Edit =
  /** Makes the key, root and cross-certificate of each new authority; trusted by nobody yet. */
  | { readonly do: "create-authorities"; readonly successions: readonly Succession[] }
  /** Adds anchors to the trust document: old and new are trusted. */
  | { readonly do: "trust"; readonly authorities: readonly AuthorityId[] }
  /** Has the next certificate of each credential signed elsewhere by an authority, before it is wanted. */
  | {
      readonly do: "collect";
      readonly credentials: readonly CredentialId[];
      readonly authority: AuthorityId;
    }
  /** Gives up every request that is collected, and the certificates that were brought for them. */
  | { readonly do: "give-up-collected" }
  /** From now on `to` signs new requests; `from` becomes `previous`. */
  | { readonly do: "make-current"; readonly authorities: readonly AuthorityId[] }
  /** Wants a new generation of each credential, from the current authority of its usage. */
  | { readonly do: "reissue"; readonly credentials: readonly CredentialId[] }
  /** The same for credentials that came to be after the plan was made, and are under an older authority. */
  | { readonly do: "reissue-rest"; readonly usages: readonly AuthorityUsage[] }
  /** Changes nothing; the gate alone counts. */
  | { readonly do: "watch" }
  /** Removes anchors and cross-certificates; `deny` also puts them on the deny list. */
  | {
      readonly do: "distrust";
      readonly authorities: readonly AuthorityId[];
      readonly deny: boolean;
    }
  /** Has members of services trust other authorities besides, or no longer, those that they do. */
  | {
      readonly do: "trust-members";
      readonly members: readonly ProcessId[];
      readonly adds: readonly AuthorityId[];
      readonly removes: readonly AuthorityId[];
    }
  /** The same together with new certificates: for servers that cannot trust two CAs at once. */
  | {
      readonly do: "replace-members";
      readonly members: readonly ProcessId[];
      readonly credentials: readonly CredentialId[];
      readonly adds: readonly AuthorityId[];
      readonly removes: readonly AuthorityId[];
    }
  /** Makes another member of a pair the active one; the one before hands over. */
  | { readonly do: "hand-over"; readonly service: ServiceId; readonly to: ProcessId }
  /** Forgets the keys of generations that nothing can present any more. */
  | { readonly do: "forget-superseded" }
  /** Wants the generations kept from before the rollout presented again: by all, or only by these. */
  | {
      readonly do: "return";
      readonly successions: readonly Succession[];
      readonly credentials?: readonly CredentialId[];
      /** And members trust again what they did. */
      readonly trust?: {
        readonly members: readonly ProcessId[];
        readonly adds: readonly AuthorityId[];
        readonly removes: readonly AuthorityId[];
      };
    };

export type Condition =
  /** Every process that takes part has loaded the epoch of this step. */
  | { readonly require: "trust-loaded" }
  /** Every edge of these authorities' usages was proven with the epoch of this step loaded. */
  | { readonly require: "edges-proven"; readonly authorities: readonly AuthorityId[] }
  /** The certificates of these credentials were brought from elsewhere. */
  | { readonly require: "signed"; readonly credentials: readonly CredentialId[] }
  /** The credentials fit what is desired of them and were seen on the wire. */
  | { readonly require: "presented"; readonly credentials: readonly CredentialId[] }
  /** The same for every credential of these usages, newcomers included, and all under the current authority. */
  | { readonly require: "all-presented"; readonly usages: readonly AuthorityUsage[] }
  /** The servers of these members use the CAs that are desired of them, and accepted probes of `proven`. */
  | {
      readonly require: "members-trust";
      readonly members: readonly ProcessId[];
      readonly proven: readonly AuthorityId[];
    }
  /** Every member of the service is there, in its role, and in step with the others. */
  | { readonly require: "service-well"; readonly service: ServiceId }
  /** This member of a cluster sees so many others as disconnected: those that were changed already. */
  | { readonly require: "disconnected"; readonly watcher: ProcessId; readonly count: number }
  /** Of the calls to these members not more failed than of those to the others, which are not changed yet. */
  | {
      readonly require: "no-worse";
      readonly members: readonly ProcessId[];
      readonly others: readonly ProcessId[];
    }
  /** No connection is open whose handshake is older than the epoch of this step. */
  | { readonly require: "old-connections-closed" }
  /** A person has answered for callers outside the domain, whose trust cannot be observed. */
  | { readonly require: "unmanaged-waived"; readonly subjects: readonly string[] }
  /** The rest of the gate held without interruption for this long. */
  | { readonly require: "held-for"; readonly seconds: number };
