import type { Finding, MemberStatus, WantedRole } from "../domain/index.ts";
import type { Certificate } from "../pki/index.ts";
import type { Description, ServedPort } from "./description.ts";
import type { Examination } from "./examination.ts";
import type { Shown } from "./served.ts";

/** A member on its own host, as the code of its driver sees it. */
export interface MemberAt {
  readonly name: string;
  /** Its variables resolved. */
  readonly description: Description;
  /** Every variable of the description by name, defaults filled in. */
  readonly values: Readonly<Record<string, string>>;
  /** Configuration of the server itself that its driver sends it, as the driver's code has it checked. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** CAs that the member trusts now: what admin ports and peers are verified by. */
  readonly anchors: readonly Certificate[];
  readonly others: readonly PeerMember[];
  /** How its Node Manager ends and starts it, where it supervises it: in place of all ways but its driver's code. */
  readonly restart?: () => Promise<void>;
}

/** Another member of the same service, on another host or this one. */
export interface PeerMember {
  readonly name: string;
  /** DNS name or IP address of its host. */
  readonly address: string;
  readonly pair: string | null;
  readonly values: Readonly<Record<string, string>>;
  /** Where its certificate is seen, as its own host names the ports. */
  readonly served?: readonly ServedPort[];
}

/**
 * What a driver does in code because no description can say it. Every function may be called again
 * after a crash at any line, and again while there is nothing to do; each throws a DomainError that
 * says in one line what failed and where.
 */
export interface DriverCode {
  /** Mistakes in the values and settings, cross-field rules among them, before anything is called; empty: none. */
  readonly mistakes?: (member: Pick<MemberAt, "values" | "settings" | "others">) => string[];
  /** What whoever applies such settings has to know, though nothing is wrong; a line each. */
  readonly notes?: (member: Pick<MemberAt, "settings">) => string[];
  /** Values that the server's own configuration on this host decides, where nobody gave others. */
  readonly valuesOnHost?: (values: Readonly<Record<string, string>>) => Record<string, string>;
  /**
   * Gives the running server the settings that have to be there before it is one of a pair or a cluster;
   * nothing where it has them. True: it has changed some, and they take effect with its next restart.
   */
  readonly form?: (member: MemberAt) => Promise<boolean>;
  /** Makes the running server read its files anew, in place of the description's `reload`. */
  readonly reload?: (member: MemberAt) => Promise<void>;
  /** Ends and starts the server, in place of the description's `restart`. */
  readonly restart?: (member: MemberAt) => Promise<void>;
  /**
   * Where the server's certificate is to be seen now, and what is seen there, in place of the ports of
   * the description. Throws where the server has given up and will show none.
   */
  readonly shows?: (member: MemberAt) => Promise<readonly Shown[]>;
  /** Whether the server, as it is configured, reads the file at a path; without it, it reads all. */
  readonly usesFile?: (member: MemberAt) => Promise<(path: string) => boolean>;
  /** Looks at the member's ports and peers in place of the general examination, which has looked at its files. */
  readonly examine?: (member: MemberAt, examination: Examination) => Promise<Finding[]>;
  /** What the server says of itself; null while it does not answer. */
  readonly status?: (member: MemberAt) => Promise<MemberStatus | null>;
  /**
   * One step towards the wanted role, and what keeps it: called at every look, also when the status
   * shows the role already, and before a supervised member is started: with a stopped server it
   * only prepares data, so that none starts as active that is to stand by. The first time, a standby
   * has no data yet. `active` by `hand-over` waits (by being called again) until the other member has handed
   * it over; a member that is to be standby and is active hands over where it can (`hand-over`), and
   * gives up all writing either way. Nobody else may start or stop the server meanwhile.
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
