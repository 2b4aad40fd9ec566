import { DomainError, type AuthorityId, type HostId } from "../kit/index.ts";
import {
  credentialId,
  type Denial,
  type Domain,
  type Host,
  type Restoration,
  type TrustDocument,
} from "../domain/index.ts";
import { isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreTransaction, StoreView, TrustLink } from "./ports.ts";
import { currentTrust, decodeTrust, publishTrust, requireHost } from "./publish-trust.ts";
import { adoptAuthorities } from "./restored-authorities.ts";
import { takeOver, type Presentation } from "./restored-hosts.ts";
import { removeCredentials } from "./revoke.ts";

/** The restoration of a domain that still waits for hosts; undefined: there is none. */
export function pendingRestoration({
  restoration,
}: Pick<Domain, "restoration">): Restoration | undefined {
  return restoration?.completedAtMs === null ? restoration : undefined;
}

async function requirePending(
  view: StoreView,
): Promise<{ domain: Domain; restoration: Restoration }> {
  const domain = await view.topology.domain();
  const restoration = pendingRestoration(domain);
  if (restoration !== undefined) return { domain, restoration };
  throw new DomainError(
    "conflict",
    "this domain waits for no host: it was not restored, or has heard of all of them",
  );
}

/**
 * Marks a store that was made from a backup, in the transaction that is the first after it. The keys
 * that the host had are forgotten, and its processes want new certificates.
 */
export async function markRestored(
  env: ControlEnvironment,
  of: {
    readonly hostId: HostId;
    /** The authorities whose keys were in the backup. */
    readonly held: readonly AuthorityId[];
    readonly backupAtMs: number;
    readonly waived: readonly HostId[];
  },
): Promise<Host> {
  const atMs = env.clock.nowMs();
  const { hostId, held, backupAtMs, waived } = of;
  const entry = {
    actor: "system:restore",
    action: "domain.restore",
    subject: hostId,
    // Issuances and records of this time are in no log any more, unless a host presents them.
    detail: { gapFromMs: backupAtMs, gapToMs: atMs, waived: waived.join(" ") },
  };
  return env.store.write(entry, async (tx) => {
    const host = await requireHost(tx, hostId);
    for (const id of waived) await requireHost(tx, id);
    const { epoch } = await currentTrust(tx);
    const replacedKeys: string[] = [];
    for (const credential of await tx.credentials.ofHost(hostId)) {
      replacedKeys.push(...credential.recorded.map(({ spki }) => spki));
      const { authorityId } = credential.desired;
      const minSequence = credential.lastSequence + 1;
      const desired = { authorityId, minSequence, maxSequence: null };
      await tx.credentials.put({ ...credential, desired, recorded: [] });
    }
    for (const authority of await tx.authorities.all())
      if (held.includes(authority.id) && !authority.holders.includes(hostId))
        await tx.authorities.put({ ...authority, holders: [...authority.holders, hostId] });
    for (const rollout of await tx.rollouts.open())
      if (rollout.status !== "paused")
        await tx.rollouts.put({
          ...rollout,
          pausedFrom: rollout.status === "rolling-back" ? "rolling-back" : "running",
          status: "paused",
          version: rollout.version + 1,
        });
    const restoration = { atMs, backupAtMs, epoch, hostId, waived, replacedKeys };
    await tx.topology.putDomain({
      ...(await tx.topology.domain()),
      restoration: { ...restoration, heard: [], imported: [], completedAtMs: null },
    });
    return host;
  });
}

/**
 * Takes what a host presents after a restore: the trust links that the store lacks, what was issued
 * to it, its processes; a host that comes when others were waited for no more is heard of all the
 * same. The caller has verified the signatures and the host's proof. Throws `conflict`, `denied`, `stale-epoch` where links are missing in
 * between, `signature-invalid` for a host on another branch of the chain.
 */
export async function hearHost(env: ControlEnvironment, presented: Presentation): Promise<void> {
  const { hostId, epoch, links } = presented;
  const entry = {
    actor: `host:${hostId}`,
    action: "restoration.hear",
    subject: hostId,
    detail: { epoch, links: links.length },
  };
  await env.store.write(entry, async (tx) => {
    const domain = await tx.topology.domain();
    const { restoration } = domain;
    if (restoration === undefined) throw new DomainError("conflict", "nothing was restored");
    // What this domain has published since goes on in one way only.
    if (restoration.completedAtMs === null) for (const link of links) await appendNew(tx, link);
    await requireKnownLink(tx, presented);
    const trust = await currentTrust(tx);
    const own = presented.document.processes.find(({ role }) => role !== "gateway");
    const denied = deniedKeys(trust);
    if (own === undefined || own.keys.every((key) => denied.has(key)))
      throw new DomainError("denied", `every key of ${hostId} is denied`);
    const imported = await takeOver(tx, env, presented);
    await tx.topology.putDomain({
      ...domain,
      restoration: {
        ...restoration,
        heard: [...new Set([...restoration.heard, hostId])],
        imported: [...new Set([...restoration.imported, ...imported])],
      },
    });
  });
}

/** A link that another host has brought, or that goes on from the head as it is by now. */
async function appendNew(tx: StoreTransaction, link: TrustLink): Promise<void> {
  const head = await tx.trust.head();
  if (head !== undefined && link.epoch <= head.epoch) return;
  if (decodeTrust(link).previous !== head?.hash)
    throw new DomainError("conflict", "other links came first: present them again");
  await tx.trust.append(link);
}

async function requireKnownLink(
  view: StoreView,
  { hostId, epoch, trustHash }: Presentation,
): Promise<void> {
  const [link] = await view.trust.after(epoch - 1, 1);
  if (link === undefined)
    throw new DomainError(
      "stale-epoch",
      `${hostId} holds trust epoch ${epoch}, and links between that and epoch ${(await currentTrust(view)).epoch} are missing: another host may have them`,
    );
  if (link.hash !== trustHash)
    throw new DomainError(
      "signature-invalid",
      `${hostId} holds another trust epoch ${epoch} than this domain: two Admin Node Managers have published it`,
    );
}

function deniedKeys({ denied }: TrustDocument): Set<string> {
  return new Set(denied.flatMap(({ kind, fingerprint }) => (kind === "key" ? fingerprint : [])));
}

/** The hosts that a restored domain still waits for. */
export async function unheardHosts(view: StoreView): Promise<Host[]> {
  const restoration = pendingRestoration(await view.topology.domain());
  if (restoration === undefined) return [];
  const { hostId, heard, waived } = restoration;
  const known = new Set([hostId, ...heard, ...waived]);
  const waiting: Host[] = [];
  for (const host of await view.topology.hosts())
    if (host.status === "active" && !known.has(host.id) && !(await isDeniedHost(view, host)))
      waiting.push(host);
  return waiting;
}

/** True if every key of its Node Manager is denied: it was revoked or deleted after the backup. */
async function isDeniedHost(view: StoreView, { nodeManager }: Host): Promise<boolean> {
  const credential = await view.credentials.get(credentialId(nodeManager.id, "management"));
  const recorded = credential?.recorded ?? [];
  const denied = deniedKeys(await currentTrust(view));
  return recorded.length > 0 && recorded.every(({ spki }) => denied.has(spki));
}

/**
 * Lets a restored domain go on without having heard of a host, which has to join anew if it holds
 * trust that this domain does not know. Throws `not-found`, `conflict`.
 */
export async function waiveUnheard(
  env: ControlEnvironment,
  of: { readonly hostId: HostId; readonly reason: string; readonly actor: string },
): Promise<void> {
  const { hostId, reason, actor } = of;
  const entry = { actor, action: "restoration.waive", subject: hostId, detail: { reason } };
  await env.store.write(entry, async (tx) => {
    const { domain, restoration } = await requirePending(tx);
    await requireHost(tx, hostId);
    const waived = [...new Set([...restoration.waived, hostId])];
    await tx.topology.putDomain({ ...domain, restoration: { ...restoration, waived } });
  });
}

/**
 * Ends the waiting when nobody is waited for any more: the first link after the restore is
 * published, above everything that was heard of. False while hosts are waited for, or nothing is.
 */
export async function settleRestoration(env: ControlEnvironment): Promise<boolean> {
  const isDue = await env.store.read(
    async (view) =>
      pendingRestoration(await view.topology.domain()) !== undefined &&
      (await unheardHosts(view)).length === 0,
  );
  if (!isDue) return false;
  const entry = {
    actor: "system:restore",
    action: "restoration.complete",
    subject: "domain",
    detail: {},
  };
  await env.store.write(entry, async (tx) => {
    const { domain, restoration } = await requirePending(tx);
    if ((await unheardHosts(tx)).length > 0)
      throw new DomainError("conflict", "a host was added meanwhile: look again");
    const trust = await currentTrust(tx);
    await revokeDenied(tx);
    if (trust.epoch > restoration.epoch) {
      await adoptAuthorities(tx, env, trust);
      await closeRollouts(tx, env);
    }
    const completedAtMs = env.clock.nowMs();
    const done = { ...restoration, completedAtMs };
    await tx.topology.putDomain({ ...domain, restoration: done });
    await publishTrust(tx, env, { deny: await replacedKeys(tx, trust, restoration) });
  });
  return true;
}

/** A host that was revoked or deleted after the backup is a revoked one again. */
async function revokeDenied(tx: StoreTransaction): Promise<void> {
  for (const host of await tx.topology.hosts()) {
    if (host.status !== "active" || !(await isDeniedHost(tx, host))) continue;
    const { instances, members } = await tx.topology.whole();
    const there = [...instances, ...members].filter(({ hostId }) => hostId === host.id);
    for (const process of [host.nodeManager.id, ...there.map(({ id }) => id)])
      await removeCredentials(tx, process, "");
    await tx.topology.putHost({ ...host, status: "revoked" });
  }
}

/** What they began was ended by someone: how is seen in the authorities alone. */
async function closeRollouts(tx: StoreTransaction, env: ControlEnvironment): Promise<void> {
  for (const rollout of await tx.rollouts.open())
    if (isOpen(rollout))
      await tx.rollouts.put({
        ...rollout,
        status: "rolled-back",
        pausedFrom: null,
        todo: [],
        finishedAtMs: env.clock.nowMs(),
        version: rollout.version + 1,
      });
}

/** Every key that the restored host had: by the backup, and by the newest trust that was heard of. */
async function replacedKeys(
  tx: StoreTransaction,
  trust: TrustDocument,
  { hostId, replacedKeys: backedUp }: Restoration,
): Promise<Denial[]> {
  const { nodeManager } = await requireHost(tx, hostId);
  const credential = await tx.credentials.get(credentialId(nodeManager.id, "management"));
  const present = new Set(credential?.recorded.map(({ spki }) => spki));
  const named = trust.admins.find(({ id }) => id === nodeManager.id)?.keys ?? [];
  return [...backedUp, ...named]
    .filter((key) => !present.has(key))
    .map((fingerprint) => ({
      kind: "key",
      fingerprint,
      reason: `${hostId} was restored from a backup`,
    }));
}
