import type { HostId } from "../kit/index.ts";
import { isRole, parseSpiffeId, type Role } from "./roles.ts";
import type { Denial, KnownProcess } from "./trust.ts";

/** How a caller can show who it is. */
export type CallerKind = Role | "user" | "joiner" | "returning-host" | "relying-party";

/** One kind of conversation that is allowed; everything that is not listed is refused. */
export interface Conversation {
  readonly client: CallerKind;
  readonly server: Role;
  /** `mutual`: both show certificates; `server`: the caller shows a login, token or proof instead. */
  readonly tls: "mutual" | "server";
  readonly sameHost: boolean;
  readonly what: string;
}

/** Who may talk to whom; all else is refused. Enforced in `transport`, tested cell by cell. */
export const conversations: readonly Conversation[] = [
  {
    client: "nm",
    server: "anm",
    tls: "mutual",
    sameHost: false,
    what: "desired state down, observed state up",
  },
  {
    client: "anm",
    server: "anm",
    tls: "mutual",
    sameHost: false,
    what: "the same for the Admin Node Manager's own host, and relaying",
  },
  {
    client: "anm",
    server: "nm",
    tls: "mutual",
    sameHost: false,
    what: "the documented direction, for hosts with `dial: anm`",
  },
  {
    client: "nm",
    server: "gateway",
    tls: "mutual",
    sameHost: true,
    what: "supervision of own instances",
  },
  {
    client: "anm",
    server: "gateway",
    tls: "mutual",
    sameHost: true,
    what: "supervision of own instances",
  },
  {
    client: "user",
    server: "anm",
    tls: "server",
    sameHost: false,
    what: "API and console with a login",
  },
  { client: "joiner", server: "anm", tls: "server", sameHost: false, what: "joining with a token" },
  {
    client: "returning-host",
    server: "anm",
    tls: "server",
    sameHost: false,
    what: "re-enrolment with a proof of the last key",
  },
  {
    client: "relying-party",
    server: "anm",
    tls: "server",
    sameHost: false,
    what: "reading trust and reporting the loaded epoch",
  },
];

/** The conversation that allows `client` to call `server`, or undefined: refuse. */
export function conversationBetween(
  client: CallerKind,
  server: Role,
  onSameHost: boolean,
): Conversation | undefined {
  return conversations.find(
    (c) => c.client === client && c.server === server && (!c.sameHost || onSameHost),
  );
}

/** What `transport` read out of a peer's certificate and what TLS said of its chain. */
export interface PeerCertificate {
  /** Why the chain does not verify against the loaded anchors, or null if it does. */
  readonly chainFailure: string | null;
  readonly uris: readonly string[];
  /** Roles stated by the extended key usages. */
  readonly roles: readonly Role[];
  /** Hex SHA-256 of SubjectPublicKeyInfo and of the certificate. */
  readonly keyFingerprint: string;
  readonly certificateFingerprint: string;
  /** Fingerprints of the CA certificates of its verified chain. */
  readonly issuerFingerprints: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** A probe certificate proves trust and nothing else. */
  readonly isProbe: boolean;
}

/** What the checking process knows and expects. */
export interface PeerExpectation {
  readonly trustDomain: string;
  /** Processes of the signed topology that this process may meet. */
  readonly known: readonly KnownProcess[];
  readonly denied: readonly Denial[];
  readonly nowMs: number;
  /** Which side the peer is, and who checks. */
  readonly peerIs: "client" | "server";
  readonly self: { readonly role: CallerKind; readonly hostId: HostId | null };
  /** The one process that must answer, when this side dialled it; null when any known one may call. */
  readonly expected: KnownProcess["id"] | null;
  /** Probe certificates are accepted on probe connections and refused everywhere else. */
  readonly probe: boolean;
}

/** Stable words for why a peer is refused. */
export type Refusal =
  | "chain"
  | "expired"
  | "not-yet-valid"
  | "denied"
  | "probe"
  | "no-identity"
  | "other-domain"
  | "role-mismatch"
  | "unknown-process"
  | "other-process"
  | "other-key"
  | "conversation";

export type PeerVerdict =
  | { readonly ok: true; readonly process: KnownProcess }
  | { readonly ok: false; readonly refusal: Refusal; readonly text: string };

type Check = (
  peer: PeerCertificate,
  expect: PeerExpectation,
) => { refusal: Refusal; text: string } | undefined;

const certificateChecks: readonly Check[] = [
  (peer) =>
    peer.chainFailure === null
      ? undefined
      : { refusal: "chain", text: `the chain is not trusted (${peer.chainFailure})` },
  (peer, { nowMs }) =>
    nowMs > peer.notAfterMs
      ? { refusal: "expired", text: "the certificate has expired" }
      : undefined,
  (peer, { nowMs }) =>
    nowMs < peer.notBeforeMs
      ? { refusal: "not-yet-valid", text: "the certificate is not valid yet" }
      : undefined,
  (peer, { denied }) => {
    const fingerprints = [peer.certificateFingerprint, ...peer.issuerFingerprints];
    const hit = denied.find((d) =>
      d.kind === "key"
        ? d.fingerprint === peer.keyFingerprint
        : fingerprints.includes(d.fingerprint),
    );
    return hit && { refusal: "denied", text: `the ${hit.kind} is denied (${hit.reason})` };
  },
  (peer, { probe }) => {
    if (peer.isProbe === probe) return undefined;
    return {
      refusal: "probe",
      text: probe
        ? "a probe connection needs a probe certificate"
        : "a probe certificate opens nothing but a probe",
    };
  },
];

/**
 * Decides whether a peer that showed `peer` may take part in this conversation: chain, dates and
 * deny list; then identity; then the one key recorded for it, since a shared CA authenticates
 * strangers too (a probe certificate has a key of its own and skips that one check); then the table.
 */
export function checkPeer(peer: PeerCertificate, expect: PeerExpectation): PeerVerdict {
  for (const check of certificateChecks) {
    const refused = check(peer, expect);
    if (refused !== undefined) return { ok: false, ...refused };
  }
  return checkIdentity(peer, expect);
}

function checkIdentity(peer: PeerCertificate, expect: PeerExpectation): PeerVerdict {
  const refuse = (refusal: Refusal, text: string): PeerVerdict => ({ ok: false, refusal, text });
  // Counted before they are read: a second identity must not hide behind a wrong spelling.
  const stated = peer.uris.filter((uri) => /^spiffe:/i.test(uri));
  const identity = stated.length === 1 ? parseSpiffeId(stated[0] ?? "") : undefined;
  if (identity === undefined)
    return refuse("no-identity", "the certificate does not state exactly one identity");
  if (identity.trustDomain !== expect.trustDomain)
    return refuse("other-domain", `the certificate is of domain ${identity.trustDomain}`);
  const role = peer.roles.includes("anm") ? "anm" : peer.roles[0];
  if (role !== identity.role || (role === "anm" && !peer.roles.includes("nm"))) {
    return refuse(
      "role-mismatch",
      `the extended key usages do not state the role ${identity.role} of the identity`,
    );
  }
  const matches = (k: KnownProcess): boolean =>
    (k.role === "gateway" ? k.id : k.hostId) === identity.subject;
  // A process whose role changes is known by both, each with its own keys.
  const process =
    expect.known.find((k) => matches(k) && k.role === identity.role) ?? expect.known.find(matches);
  if (process === undefined)
    return refuse(
      "unknown-process",
      `${identity.role}/${identity.subject} is not in the signed topology`,
    );
  if (process.role !== identity.role)
    return refuse(
      "role-mismatch",
      `the signed topology says that ${process.id} is ${process.role}, not ${identity.role}`,
    );
  if (expect.expected !== null && process.id !== expect.expected)
    return refuse("other-process", `this is ${process.id}, not ${expect.expected}`);
  if (!expect.probe && !process.keys.includes(peer.keyFingerprint)) {
    return refuse("other-key", `the key is not the one recorded for ${process.id}`);
  }
  if (!isAllowed(process, expect))
    return refuse("conversation", `${process.role} and ${expect.self.role} do not talk that way`);
  return { ok: true, process };
}

/** The table's word on a conversation between this process and the identified peer. */
function isAllowed(peer: KnownProcess, { self, peerIs }: PeerExpectation): boolean {
  const onSameHost = peer.hostId === self.hostId;
  if (peerIs === "server") {
    const allowed = conversationBetween(self.role, peer.role, onSameHost);
    return allowed?.tls === (isRole(self.role) ? "mutual" : "server");
  }
  return (
    isRole(self.role) && conversationBetween(peer.role, self.role, onSameHost)?.tls === "mutual"
  );
}
