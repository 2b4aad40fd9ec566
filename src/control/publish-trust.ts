import { assert, DomainError, toHex, type HostId } from "../kit/index.ts";
import type {
  Anchor,
  Authority,
  Credential,
  Denial,
  Envelope,
  Host,
  HostDocument,
  KnownProcess,
  RecordedKey,
  Role,
  TrustDocument,
} from "../domain/index.ts";
import { credentialId } from "../domain/index.ts";
import { base64Decode, base64Encode, utf8Decode, utf8Encode } from "../pki/index.ts";
import type { ControlEnvironment, TrustKey } from "./environment.ts";
import type { StoreTransaction, StoreView, TrustLink } from "./ports.ts";

type Signing = Pick<ControlEnvironment, "clock" | "crypto" | "trustKey">;

/** What the next link changes; what is not named stays as it is. */
export interface TrustChange {
  readonly anchors?: (anchors: readonly Anchor[]) => readonly Anchor[];
  readonly deny?: readonly Denial[];
}

/**
 * Appends the next link of the trust chain: the present one with `change` applied and the Admin
 * Node Managers as the topology now has them. Returns the new document.
 */
export async function publishTrust(
  tx: StoreTransaction,
  env: Signing,
  change: TrustChange,
): Promise<TrustDocument> {
  await refuseWhileWaiting(tx);
  const head = await tx.trust.head();
  const current = head === undefined ? undefined : decodeTrust(head);
  const document: TrustDocument = {
    domain: (await tx.topology.domain()).id,
    epoch: (current?.epoch ?? 0) + 1,
    previous: head?.hash ?? null,
    issuedAtMs: env.clock.nowMs(),
    anchors: change.anchors?.(current?.anchors ?? []) ?? current?.anchors ?? [],
    denied: mergeDenials(current?.denied ?? [], change.deny ?? []),
    admins: await knownAdmins(tx),
    signingKey: base64Encode(env.trustKey.spki),
  };
  const payload = utf8Encode(JSON.stringify(document));
  await tx.trust.append({
    epoch: document.epoch,
    hash: toHex(env.crypto.sha256(payload)),
    envelope: await env.trustKey.sign("trust", payload),
  });
  return document;
}

/** Hosts may hold a link of the number that the next one would have. Throws `stale-epoch`. */
async function refuseWhileWaiting(view: StoreView): Promise<void> {
  if (!(await isWaitingForHosts(view))) return;
  throw new DomainError(
    "stale-epoch",
    "this domain was restored from a backup and publishes no trust before it has heard of every host: `gatehouse findings` names those it waits for, `gatehouse host waive HOST` passes one over",
  );
}

/** True while a restored domain waits for hosts that may hold newer trust. */
export async function isWaitingForHosts(view: StoreView): Promise<boolean> {
  // None before the first transaction of a domain.
  if ((await view.trust.head()) === undefined) return false;
  return (await view.topology.domain()).restoration?.completedAtMs === null;
}

/** The document of a stored link. */
export function decodeTrust(link: Pick<TrustLink, "envelope">): TrustDocument {
  const payload = base64Decode(link.envelope.payload);
  assert(payload !== null, "a stored trust link is base64");
  return JSON.parse(utf8Decode(payload)) as TrustDocument;
}

/** The trust document in force. */
export async function currentTrust(view: StoreView): Promise<TrustDocument> {
  const head = await view.trust.head();
  assert(head !== undefined, "a domain has a trust document from its first transaction on");
  return decodeTrust(head);
}

/** True if a recorded key, or the certificate that was issued for it, is on the deny list. */
export async function isDenied(
  view: StoreView,
  denied: readonly Denial[],
  key: RecordedKey,
): Promise<boolean> {
  const issuance = await view.issuances.find(key.authorityId, key.serial);
  return denied.some(({ kind, fingerprint }) =>
    kind === "key" ? fingerprint === key.spki : fingerprint === issuance?.fingerprint,
  );
}

/** The anchor of an authority; its cross-certificate is shown while the predecessor is trusted. */
export function anchorOf(authority: Authority): Anchor {
  const { id, usage, signing, certificatePem, intermediatesPem, crossCertificatePem } = authority;
  return {
    authorityId: id,
    usage,
    ...(signing === "generated" ? {} : { signing }),
    certificatePem,
    ...(intermediatesPem === "" ? {} : { intermediatesPem }),
    crossCertificatePem,
  };
}

function mergeDenials(denied: readonly Denial[], added: readonly Denial[]): Denial[] {
  const known = new Set(denied.map((denial) => `${denial.kind} ${denial.fingerprint}`));
  return [
    ...denied,
    ...added.filter((denial) => !known.has(`${denial.kind} ${denial.fingerprint}`)),
  ];
}

/** The Admin Node Managers; one that becomes one only now, from its first certificate as such on. */
async function knownAdmins(view: StoreView): Promise<KnownProcess[]> {
  const hosts = (await view.topology.hosts()).filter(
    (host) => host.nodeManager.isAdmin && host.status === "active",
  );
  const known = await Promise.all(hosts.map((host) => knownNodeManager(view, host)));
  return known.flatMap((as) =>
    as.filter(({ role, keys }) => role === "anm" && (keys.length > 0 || as.length === 1)),
  );
}

/**
 * A Node Manager with the keys recorded for it, as its peers may meet it: as what it is, and while
 * that changes also as what it was, with the keys of that time.
 */
export async function knownNodeManager(view: StoreView, host: Host): Promise<KnownProcess[]> {
  const id = credentialId(host.nodeManager.id, "management");
  return nodeManagerWith(host, await view.credentials.get(id));
}

function nodeManagerWith(host: Host, credential: Credential | undefined): KnownProcess[] {
  const { id, name, port } = host.nodeManager;
  const role = roleOf(host);
  const recorded = credential?.recorded ?? [];
  const as = (its: Role): KnownProcess => ({
    id,
    name,
    port,
    hostId: host.id,
    address: host.address,
    role: its,
    keys: recorded.filter((key) => (key.role ?? role) === its).map((key) => key.spki),
  });
  const before = recorded.find((key) => key.role !== undefined && key.role !== role)?.role;
  return before === undefined ? [as(role)] : [as(before), as(role)];
}

/** What the Node Manager of a host is in the topology. */
export function roleOf({ nodeManager }: Pick<Host, "nodeManager">): Role {
  return nodeManager.isAdmin ? "anm" : "nm";
}

function keysOf(credential: Credential | undefined): string[] {
  return credential?.recorded.map((key) => key.spki) ?? [];
}

/** The newest document of each host that was signed with a key. */
const signedDocuments = new WeakMap<
  TrustKey,
  Map<HostId, { readonly version: number; readonly envelope: Promise<Envelope> }>
>();

/**
 * The host's document as it is committed. It is signed once for each version, since everything
 * that changes it raises the version; not for transactions, whose version may never come to be.
 */
export async function hostDocumentOf(
  view: StoreView,
  env: Signing,
  hostId: HostId,
): Promise<Envelope> {
  const host = await requireHost(view, hostId);
  const signed = signedDocuments.get(env.trustKey) ?? new Map();
  signedDocuments.set(env.trustKey, signed);
  const version = host.documentVersion;
  const known = signed.get(hostId);
  if (known?.version === version) return known.envelope;
  const envelope = signHostDocument(view, env, host);
  signed.set(hostId, { version, envelope });
  envelope.catch(() => signed.delete(hostId));
  return envelope;
}

/** Signs what one host needs to know of its own processes, with the host's present version. */
async function signHostDocument(view: StoreView, env: Signing, host: Host): Promise<Envelope> {
  const credentials = new Map(
    (await view.credentials.ofHost(host.id)).map((credential) => [credential.id, credential]),
  );
  const processes = (await view.topology.instances(host.id)).map((instance): KnownProcess => ({
    id: instance.id,
    role: "gateway",
    hostId: host.id,
    name: instance.name,
    address: "127.0.0.1",
    port: instance.managementPort,
    keys: keysOf(credentials.get(credentialId(instance.id, "management"))),
  }));
  const own = credentials.get(credentialId(host.nodeManager.id, "management"));
  const document: HostDocument = {
    domain: (await view.topology.domain()).id,
    hostId: host.id,
    version: host.documentVersion,
    processes: [...nodeManagerWith(host, own), ...processes],
  };
  return env.trustKey.sign("host", utf8Encode(JSON.stringify(document)));
}

/** Every active process of the domain that shows a client certificate to an Admin Node Manager. */
export async function knownCallers(view: StoreView): Promise<KnownProcess[]> {
  const hosts = await view.topology.hosts();
  return (await Promise.all(hosts.map((host) => knownNodeManager(view, host)))).flat();
}

/** The host with this id, or `not-found`. */
export async function requireHost(view: StoreView, id: HostId): Promise<Host> {
  const host = await view.topology.host(id);
  if (host !== undefined) return host;
  throw new DomainError(
    "not-found",
    `there is no host ${id} in this domain: \`managedomain --print_topology\` lists them`,
  );
}
