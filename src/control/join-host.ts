import { DomainError, type HostId, type ProcessId } from "../kit/index.ts";
import {
  checkAddress,
  checkName,
  checkPort,
  credentialId,
  isSignedElsewhere,
  type Dial,
  type Host,
  type JoinTokenText,
} from "../domain/index.ts";
import { parseRequestPem, spkiFingerprint, type Certificate } from "../pki/index.ts";
import { hashSecret } from "./accounts.ts";
import { admitOrAwait, type Admission, type AwaitedAdmission } from "./admission.ts";
import type { ControlEnvironment } from "./environment.ts";
import { refuseDialledAdmin } from "./host-dial.ts";
import { newCredential } from "./issue.ts";
import { parseJoinToken, requireUsableToken } from "./join-token.ts";
import { listenersAt } from "./listeners.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";

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
    const stored = await requireUsableToken(tx, env, token, request);
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
