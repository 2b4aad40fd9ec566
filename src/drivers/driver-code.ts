import type { MemberStatus, WantedRole } from "../domain/index.ts";
import type { Certificate } from "../pki/index.ts";
import type { Description } from "./description.ts";

/** A member on its own host, as the code of its driver sees it. */
export interface MemberAt {
  readonly name: string;
  /** Its variables resolved. */
  readonly description: Description;
  /** Every variable of the description by name, defaults filled in. */
  readonly values: Readonly<Record<string, string>>;
  /** CAs that the member trusts now: what admin ports and peers are verified by. */
  readonly anchors: readonly Certificate[];
  readonly others: readonly PeerMember[];
  /** How its Node Manager ends and starts it, where it supervises it: in place of all other ways. */
  readonly restart?: () => Promise<void>;
}

/** Another member of the same service, on another host or this one. */
export interface PeerMember {
  readonly name: string;
  /** DNS name or IP address of its host. */
  readonly address: string;
  readonly pair: string | null;
  readonly values: Readonly<Record<string, string>>;
}

/**
 * What a driver does in code because no description can say it. Every function may be called again
 * after a crash at any line, and again while there is nothing to do; each throws a DomainError that
 * says in one line what failed and where.
 */
export interface DriverCode {
  /** Mistakes in the values, cross-field rules among them, before anything is called; empty: none. */
  readonly mistakes?: (member: Pick<MemberAt, "values" | "others">) => string[];
  /** Makes the running server read its files anew, in place of the description's `reload`. */
  readonly reload?: (member: MemberAt) => Promise<void>;
  /** Ends and starts the server, in place of the description's `restart`. */
  readonly restart?: (member: MemberAt) => Promise<void>;
  /** What the server says of itself; null while it does not answer. */
  readonly status?: (member: MemberAt) => Promise<MemberStatus | null>;
  /**
   * One step towards the wanted role, if it does not have it: also the first time, when a standby has
   * no data yet. `active` by `hand-over` waits until the other member has handed it over; a member that is to be
   * standby and is active hands over where it can (`hand-over`), and gives up all writing either way.
   */
  readonly takeRole?: (member: MemberAt, wanted: WantedRole) => Promise<void>;
  /** Whether the server accepts this client certificate on its live port, as its own answer says. */
  readonly accepts?: (member: MemberAt, probe: ProbeCredential) => Promise<boolean>;
}

/** A short-lived client credential of a CA that is being introduced; PEM, the leaf first. */
export interface ProbeCredential {
  readonly privateKeyPem: string;
  readonly certificateChainPem: string;
}
