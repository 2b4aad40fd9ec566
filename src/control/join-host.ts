import { DomainError, fromHex, toHex, type HostId, type ProcessId } from "../kit/index.ts";
import {
  checkAddress,
  checkName,
  checkPort,
  credentialId,
  formatJoinToken,
  isSignedElsewhere,
  returnProofText,
  revokedRemedy,
  splitJoinToken,
  type Dial,
  type Envelope,
  type Host,
  type JoinTokenText,
} from "../domain/index.ts";
import {
  base64Decode,
  parseRequestPem,
  spkiFingerprint,
  utf8Encode,
  type Certificate,
} from "../pki/index.ts";
import { hashSecret, newSecret } from "./accounts.ts";
import type { ControlEnvironment } from "./environment.ts";
import { refuseDialledAdmin } from "./host-dial.ts";
import { issueCredential, issuedBefore, newCredential, type CredentialIssued } from "./issue.ts";
import { ownCredential } from "./issuing-authority.ts";
import { listenersAt } from "./listeners.ts";
import type { JoinToken, StoreTransaction, StoreView } from "./ports.ts";
import { currentTrust, isDenied, requireHost } from "./publish-trust.ts";
import {
  asksForAll,
  elsewhereSigned,
  requestSignature,
  type ElsewhereSigned,
} from "./signing-requests.ts";
import { submitCertificates, type Submission } from "./submit-certificates.ts";

/** Reads a token's text as it was sent, white space around it left out. */
export function parseJoinToken(text: string): JoinTokenText {
  return splitJoinToken(text.trim());
}

/** Makes a single-use join token and returns its text, which is kept nowhere. */
export async function createJoinToken(
  env: ControlEnvironment,
  request: {
    readonly hostName: string | null;
    /** True: it may join as an Admin Node Manager. */
    readonly isAdmin?: boolean;
    readonly lifetimeSeconds: number;
    readonly actor: string;
  },
): Promise<{ readonly text: string; readonly expiresAtMs: number }> {
  const id = toHex(env.rng.bytes(8));
  const secret = newSecret(env);
  const expiresAtMs = env.clock.nowMs() + request.lifetimeSeconds * 1000;
  const entry = {
    actor: request.actor,
    action: "join-token.create",
    subject: id,
    detail: { host: request.hostName, admin: request.isAdmin === true, expiresAtMs },
  };
  await env.store.write(entry, (tx) =>
    tx.accounts.putJoinToken({
      id,
      secretHash: hashSecret(env, secret),
      hostName: request.hostName,
      isAdmin: request.isAdmin === true,
      createdBy: request.actor,
      expiresAtMs,
      usedAtMs: null,
    }),
  );
  return { text: formatJoinToken({ id, secret, trustKeyId: env.trustKey.keyId }), expiresAtMs };
}

export interface JoinRequest {
  readonly token: string;
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  readonly requestPem: string;
  /** The certificate that was signed elsewhere for this host, with those of its CAs. */
  readonly certificates?: readonly Certificate[];
  /** The host becomes an Admin Node Manager; the token has to allow it. */
  readonly isAdmin?: boolean;
  /** Then also the key (SPKI, base64) that others seal for what they share with it. */
  readonly sealingKey?: string;
  /** Further names in its certificate, as `DNS:name`. */
  readonly alternativeNames?: readonly string[];
  /** Who opens the connections to Admin Node Managers from then on; absent: the host. */
  readonly dial?: Dial;
}

/** What a host gets when it joined or came back. */
export interface Admission extends CredentialIssued {
  readonly host: Host;
  readonly trust: readonly Envelope[];
}

/**
 * Admits a new host: spends the token, adds host and Node Manager to the topology and issues its
 * certificate. A host whose answer was lost asks again, with the same token and the same key, and
 * is admitted as the host that it became. Where its certificate is signed elsewhere it is told what
 * to have signed, and is admitted when it asks again, by the same token, and the certificate was
 * brought. Throws `token-expired`, `token-used`, `forbidden`, `already-exists`, `invalid-name`.
 */
export async function joinHost(
  env: ControlEnvironment,
  request: JoinRequest,
): Promise<Admission | AwaitedAdmission> {
  const token = parseJoinToken(request.token);
  checkName("host", request.hostName);
  checkName("Node Manager", request.nodeManagerName);
  checkAddress(request.address);
  checkPort(request.port);
  const dial = request.dial ?? "nm";
  refuseDialledAdmin({ dial, isAdmin: request.isAdmin === true });
  const { requestPem } = request;
  const { spki } = parseRequestPem(requestPem);
  const actor = `token:${token.id}`;
  const joined = await env.store.read((view) =>
    joinedBefore(view, env, { token, hostName: request.hostName, spki }),
  );
  if (joined !== undefined)
    return admitOrAwait(env, joined, { ...request, presentedSerial: null }, actor);
  const entry = {
    actor,
    action: "host.join",
    subject: request.hostName,
    detail: { address: request.address, admin: request.isAdmin === true, dial },
  };
  const host = await env.store.write(entry, async (tx) => {
    const stored = await spendToken(tx, env, token, request);
    const added = await addHost(tx, request);
    // One that waits for a certificate from elsewhere comes again by it, some day.
    const expiresAtMs =
      added.status === "joining"
        ? env.clock.nowMs() + env.policy.rejoinWindowSeconds * 1000
        : stored.expiresAtMs;
    const usedAtMs = env.clock.nowMs();
    await tx.accounts.putJoinToken({ ...stored, expiresAtMs, usedAtMs, hostId: added.id });
    return added;
  });
  return admitOrAwait(env, host, { ...request, presentedSerial: null }, actor);
}

/** A host that is told what its certificate is to say, and waits until that was signed elsewhere. */
export interface AwaitedAdmission {
  readonly host: Host;
  readonly awaits: ElsewhereSigned;
  /** What became of the certificates that it brought. */
  readonly submissions: readonly Submission[];
}

async function admitOrAwait(
  env: ControlEnvironment,
  host: Host,
  request: Pick<JoinRequest, "requestPem" | "certificates"> & {
    readonly presentedSerial: string | null;
  },
  actor: string,
): Promise<Admission | AwaitedAdmission> {
  const { requestPem, certificates = [], presentedSerial } = request;
  const id = credentialId(host.nodeManager.id, "management");
  // One that is only collected for later does not hold up who needs a certificate now.
  const look = () =>
    env.store.read(async (view) => {
      const wanted = await elsewhereSigned(view, await ownCredential(view, host.id, id));
      return wanted === null || wanted.isCollected ? null : wanted;
    });
  const before = { hostId: host.id, credentialId: id, requestPem, presentedSerial, actor };
  const isIssued = (await issuedBefore(env, before)) !== null;
  const wanted = isIssued ? null : await look();
  if (wanted !== null && asksForAll(parseRequestPem(requestPem), wanted))
    await requestSignature(env, { hostId: host.id, credentialId: id, requestPem, actor });
  const submissions = await submitCertificates(env, { certificates, actor });
  const awaits = wanted && (await look());
  if (awaits !== null && !awaits.isSigned) return { host, awaits, submissions };
  const admitted = host.status === "joining" ? await activate(env, host.id, actor) : host;
  return admit(env, admitted, { requestPem, presentedSerial }, actor);
}

/** The certificate of a host that joins was brought: from now on it counts. */
function activate(env: ControlEnvironment, id: HostId, actor: string): Promise<Host> {
  const entry = { actor, action: "host.admit", subject: id, detail: {} };
  return env.store.write(entry, async (tx) => {
    const admitted: Host = { ...(await requireHost(tx, id)), status: "active" };
    await tx.topology.putHost(admitted);
    return admitted;
  });
}

/**
 * The host that a spent token made: while it waits for its certificate; and after that if its key is
 * the recorded one of this request and nothing was ever heard of it: until then nobody has seen the
 * answer.
 */
async function joinedBefore(
  view: StoreView,
  env: ControlEnvironment,
  request: { readonly token: JoinTokenText; readonly hostName: string; readonly spki: Uint8Array },
): Promise<Host | undefined> {
  const stored = await view.accounts.joinToken(request.token.id);
  const isSpent = stored !== undefined && stored.usedAtMs !== null;
  if (!isSpent || stored.secretHash !== hashSecret(env, request.token.secret)) return undefined;
  if (env.clock.nowMs() > stored.expiresAtMs) return undefined;
  const hosts = await view.topology.hosts();
  const waiting = hosts.find(({ id, status }) => id === stored.hostId && status === "joining");
  if (waiting !== undefined) return waiting;
  const host = hosts.find(({ name, status }) => name === request.hostName && status === "active");
  if (host === undefined || (await view.observations.host(host.id)) !== undefined) return undefined;
  const credential = await view.credentials.get(credentialId(host.nodeManager.id, "management"));
  const fingerprint = spkiFingerprint(request.spki, env.crypto);
  return credential?.recorded.some((key) => key.spki === fingerprint) === true ? host : undefined;
}

async function spendToken(
  tx: StoreTransaction,
  env: ControlEnvironment,
  token: JoinTokenText,
  { hostName, isAdmin }: Pick<JoinRequest, "hostName" | "isAdmin">,
): Promise<JoinToken> {
  const stored = await tx.accounts.joinToken(token.id);
  if (stored === undefined || stored.secretHash !== hashSecret(env, token.secret)) {
    throw new DomainError(
      "unauthenticated",
      "the join token is not one of this domain: make one with `gatehouse token create`",
    );
  }
  if (stored.usedAtMs !== null)
    throw new DomainError(
      "token-used",
      "the join token was used before: make a new one with `gatehouse token create`",
    );
  if (env.clock.nowMs() > stored.expiresAtMs)
    throw new DomainError(
      "token-expired",
      "the join token has expired: make a new one with `gatehouse token create`",
    );
  if (isAdmin === true && stored.isAdmin !== true)
    throw new DomainError(
      "forbidden",
      "the join token does not admit an Admin Node Manager: make one with `gatehouse token create --admin`",
    );
  if (stored.hostName !== null && stored.hostName !== hostName) {
    throw new DomainError(
      "forbidden",
      `the join token is for host ${stored.hostName}, not for ${hostName}: use that name, or make another token`,
    );
  }
  return stored;
}

async function addHost(tx: StoreTransaction, request: JoinRequest): Promise<Host> {
  const { alternativeNames = [] } = request;
  const hosts = await tx.topology.hosts();
  const same = hosts.find(({ name }) => name.toLowerCase() === request.hostName.toLowerCase());
  if (same !== undefined) {
    throw new DomainError(
      "already-exists",
      `the domain already has a host named ${same.name}: choose another name with --host, or delete the old one`,
    );
  }
  const holder = (await listenersAt(tx, request.address)).get(request.port);
  if (holder !== undefined) {
    throw new DomainError(
      "already-exists",
      `port ${request.port} at ${request.address} is that of ${holder}: choose another with --port, or give this host's own address with --address`,
    );
  }
  const host: Host = {
    id: `host-${await tx.topology.nextNumber("host", 1)}` as HostId,
    name: request.hostName,
    address: request.address,
    status: isSignedElsewhere(await tx.authorities.current("management")) ? "joining" : "active",
    dial: request.dial ?? "nm",
    ...(alternativeNames.length === 0 ? {} : { alternativeNames }),
    documentVersion: 1,
    nodeManager: {
      id: `nodemanager-${await tx.topology.nextNumber("nodemanager", 1)}` as ProcessId,
      name: request.nodeManagerName,
      port: request.port,
      isAdmin: request.isAdmin === true,
      sealingKey: request.sealingKey ?? null,
    },
  };
  await tx.topology.putHost(host);
  await tx.credentials.put(
    await newCredential(tx, { process: host.nodeManager.id, hostId: host.id, usage: "management" }),
  );
  return host;
}

async function admit(
  env: ControlEnvironment,
  host: Host,
  request: { readonly requestPem: string; readonly presentedSerial: string | null },
  actor: string,
): Promise<Admission> {
  const issued = await issueCredential(env, {
    hostId: host.id,
    credentialId: credentialId(host.nodeManager.id, "management"),
    ...request,
    actor,
  });
  const links = await env.store.read((view) => view.trust.after(0, trustLinksMax));
  return { ...issued, host, trust: links.map((link) => link.envelope) };
}

/** A domain that rotates monthly and revokes daily fills this in a lifetime. */
const trustLinksMax = 100_000;

export interface ReturnRequest {
  readonly hostId: HostId;
  /** Hex, given out before and not used since; the caller checks that. */
  readonly nonce: string;
  readonly requestPem: string;
  /** Base64 of the SPKI of the last key, and of its signature over `returnMessage`. */
  readonly lastKey: string;
  readonly proof: string;
}

/** The bytes that a returning host signs with its last key. */
export function returnMessage(
  request: Pick<ReturnRequest, "hostId" | "nonce" | "requestPem">,
): Uint8Array {
  return utf8Encode(returnProofText(request));
}

/**
 * Re-enrols a host whose certificate or trust is out of date. The last key must be the recorded one,
 * not denied, and the host away for less than the rejoin window; after longer it is quarantined
 * until an administrator approves it. This is the only use case that ignores the expiry of the
 * certificate it is shown the key of.
 */
export async function returnHost(
  env: ControlEnvironment,
  request: ReturnRequest,
  isInUse: boolean,
): Promise<Admission | AwaitedAdmission> {
  const { host, lastSerial } = await env.store.read((view) => provenHost(view, env, request));
  if (host.status === "quarantined") {
    throw new DomainError(
      "quarantined",
      `host ${host.name} waits for approval: an administrator runs \`gatehouse host approve ${host.id}\``,
    );
  }
  if (isInUse)
    throw new DomainError(
      "identity-in-use",
      `another process uses the identity of ${host.name}: stop it, or delete the host and join anew`,
    );
  const observation = await env.store.read((view) => view.observations.host(host.id));
  const awayMs = env.clock.nowMs() - (observation?.receivedAtMs ?? env.clock.nowMs());
  if (awayMs > env.policy.rejoinWindowSeconds * 1000) {
    const entry = {
      actor: `host:${host.id}`,
      action: "host.quarantine",
      subject: host.id,
      detail: { awaySeconds: Math.round(awayMs / 1000) },
    };
    await env.store.write(entry, async (tx) =>
      tx.topology.putHost({ ...(await requireHost(tx, host.id)), status: "quarantined" }),
    );
    throw new DomainError(
      "quarantined",
      `host ${host.name} was away for longer than the rejoin window: an administrator runs \`gatehouse host approve ${host.id}\``,
    );
  }
  const { requestPem } = request;
  const wish = { requestPem, presentedSerial: lastSerial };
  return admitOrAwait(env, host, wish, `host:${host.id}`);
}

async function provenHost(
  view: StoreView,
  env: ControlEnvironment,
  request: ReturnRequest,
): Promise<{ host: Host; lastSerial: string }> {
  const refuse = (why: string): never => {
    throw new DomainError(
      "forbidden",
      `the host cannot come back: ${why}; join it anew with a token`,
    );
  };
  const host = await view.topology.host(request.hostId);
  if (host === undefined) return refuse(`${request.hostId} is not in the topology any more`);
  if (host.status === "revoked")
    throw new DomainError("denied", `host ${host.name} was revoked: ${revokedRemedy(host)}`);
  const lastKey = base64Decode(request.lastKey);
  const proof = base64Decode(request.proof);
  if (lastKey === null || proof === null || fromHex(request.nonce).length !== 32)
    return refuse("its proof cannot be read");
  const credential = await view.credentials.get(credentialId(host.nodeManager.id, "management"));
  const spki = spkiFingerprint(lastKey, env.crypto);
  const recorded = credential?.recorded.find((key) => key.spki === spki);
  if (recorded === undefined) return refuse("its last key is not the one recorded for it");
  const { denied } = await currentTrust(view);
  if (await isDenied(view, denied, recorded)) return refuse("its last key is denied");
  if (!env.crypto.verify(lastKey, returnMessage(request), proof, "ecdsa-sha256"))
    return refuse("its proof does not verify");
  return { host, lastSerial: recorded.serial };
}

/**
 * Ends a quarantine: the host may return as if it had not been away too long. Throws `conflict` for
 * a host that is not quarantined, `not-found`.
 */
export async function approveHost(
  env: ControlEnvironment,
  id: HostId,
  actor: string,
): Promise<void> {
  await env.store.write({ actor, action: "host.approve", subject: id, detail: {} }, async (tx) => {
    const host = await requireHost(tx, id);
    if (host.status === "revoked")
      throw new DomainError(
        "conflict",
        `host ${host.name} (${id}) was revoked and cannot be approved: ${revokedRemedy(host)}`,
      );
    if (host.status === "active")
      throw new DomainError(
        "conflict",
        `host ${host.name} (${id}) is not quarantined, so there is nothing to approve: \`gatehouse host list\` shows which hosts wait`,
      );
    await tx.topology.putHost({ ...host, status: "active" });
    const observation = await tx.observations.host(id);
    if (observation === undefined) return;
    // The time counts as heard of, and nobody has the identity.
    const { receivedBy: _nobody, ...rest } = observation;
    await tx.observations.putHost({ ...rest, receivedAtMs: env.clock.nowMs() });
  });
}
