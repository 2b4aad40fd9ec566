import { DomainError, isDomainError, type AuthorityId, type HostId } from "../kit/index.ts";
import { holdersOf, maySign, type Authority, type Host, type KeyInToken } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { SealedKey, StoreTransaction, StoreView } from "./ports.ts";
import { requireHost } from "./publish-trust.ts";

/** What is asked of the holders of keys. */
export interface KeyShareRequest {
  readonly hostId: HostId;
  readonly actor: string;
}

export interface ShareRequest extends KeyShareRequest {
  /** True where the host has signed a challenge with a key that is in a token; absent: it has not. */
  readonly provesInToken?: (authority: Authority) => Promise<boolean>;
}

/**
 * Seals the key of every authority that may still sign for the Admin Node Manager of a host, which
 * then takes it into its home. A key in a token is not sealed: the host is its holder where it has
 * proven to reach it. Returns the authorities. Throws `authority-unavailable` where this
 * process does not hold them itself, `not-supported` for a host without an Admin Node Manager,
 * `not-running` before that has shown its sealing key.
 */
export async function shareKeys(
  env: ControlEnvironment,
  { hostId, actor, provesInToken }: ShareRequest,
): Promise<AuthorityId[]> {
  const { signing, sealingKey, hosts } = await env.store.read((view) => wantedShare(view, hostId));
  const sealed: SealedKey[] = [];
  for (const authority of signing) {
    if (authority.token !== undefined) {
      if ((await provesInToken?.(authority)) !== true)
        throw neverLeaves(authority.id, authority.token);
      continue;
    }
    sealed.push({
      authorityId: authority.id,
      hostId,
      sealed: await env.authorityKeys.seal(authority.id, sealingKey).catch((cause: unknown) => {
        throw isDomainError(cause, "authority-unavailable")
          ? askHolder(authority, hosts, cause)
          : cause;
      }),
    });
  }
  const ids = signing.map(({ id }) => id);
  const entry = {
    actor,
    action: "authority.share",
    subject: hostId,
    detail: { authorities: ids.join(" ") },
  };
  await env.store.write(entry, async (tx) => {
    const now = await wantedShare(tx, hostId);
    if (now.sealingKey !== sealingKey || now.signing.map(({ id }) => id).join() !== ids.join())
      throw new DomainError(
        "conflict",
        `the authorities or the sealing key of ${hostId} changed while the keys were being sealed: ask again`,
      );
    for (const key of sealed) await tx.sealedKeys.put(key);
    for (const authority of now.signing) {
      const holders = [...new Set([...authority.holders, hostId])];
      await tx.authorities.put({ ...authority, holders });
    }
  });
  return ids;
}

async function wantedShare(
  view: StoreView,
  hostId: HostId,
): Promise<{ signing: Authority[]; sealingKey: string; hosts: Host[] }> {
  const host = await requireHost(view, hostId);
  if (!host.nodeManager.isAdmin || host.status !== "active")
    throw new DomainError(
      "not-supported",
      `host ${host.name} has no Admin Node Manager that could sign: \`managedomain --edit_host --host ${host.name} --is_admin\` makes it one`,
    );
  const { sealingKey } = host.nodeManager;
  if (sealingKey === null)
    throw new DomainError(
      "not-running",
      `the Admin Node Manager of ${host.name} has not run yet, so there is no key to seal for: start it there`,
    );
  const all = await view.authorities.all();
  const signing = all.filter(({ status }) => maySign(status, "probe"));
  return { sealingKey, signing, hosts: await view.topology.hosts() };
}

/** Why a key in a token is not copied. */
export function neverLeaves(id: AuthorityId, { token, label }: KeyInToken): DomainError {
  return new DomainError(
    "not-supported",
    `the key of ${id} is in the token ${token} (${label}) and never leaves it: another Admin Node Manager signs with it if it reaches that token itself; name the token there with \`gatehouse authority token\`, then share again`,
  );
}

/** Only who has a key can seal it. */
function askHolder(authority: Authority, hosts: readonly Host[], cause: DomainError): DomainError {
  const holders = holdersOf(authority, hosts).map(({ id, address }) => `${id} (${address})`);
  return new DomainError(
    "authority-unavailable",
    `this Admin Node Manager cannot share the key of ${authority.id}, which it does not hold or cannot use now: ask one that can with --anm-host, of ${holders.join(", ") || "none"}`,
    { cause },
  );
}

/**
 * Takes the keys from a host: its sealed copies go with this, its files as soon as its Admin Node
 * Manager sees that it is no holder any more. The key of a retired authority that nobody else has
 * stays. Returns the authorities. Throws `forbidden` for the last holder of a key that may sign,
 * `not-found` for a host that holds none.
 */
export async function unshareKeys(
  env: ControlEnvironment,
  { hostId, actor }: KeyShareRequest,
): Promise<AuthorityId[]> {
  const entry = { actor, action: "authority.unshare", subject: hostId, detail: {} };
  return env.store.write(entry, async (tx) => {
    const host = await requireHost(tx, hostId);
    const all = await tx.authorities.all();
    if (!all.some(({ holders }) => holders.includes(hostId)))
      throw new DomainError("not-found", `host ${host.name} holds no key of an authority`);
    return withdrawKeys(tx, host);
  });
}

/** The same as a part of another change, as of one that removes the host; often there is nothing to take. */
export async function withdrawKeys(tx: StoreTransaction, host: Host): Promise<AuthorityId[]> {
  const held = (await tx.authorities.all()).filter(({ holders }) => holders.includes(host.id));
  await refuseLastHolder(tx, host, held);
  await tx.sealedKeys.removeOfHost(host.id);
  const shared = held.filter(({ holders }) => holders.length > 1);
  for (const authority of shared)
    await tx.authorities.put({
      ...authority,
      holders: authority.holders.filter((holder) => holder !== host.id),
    });
  return shared.map(({ id }) => id);
}

async function refuseLastHolder(
  tx: StoreTransaction,
  host: Host,
  held: readonly Authority[],
): Promise<void> {
  const others = (await tx.topology.hosts()).filter(({ id }) => id !== host.id);
  const last = held.find(
    (authority) => maySign(authority.status, "probe") && holdersOf(authority, others).length === 0,
  );
  if (last !== undefined)
    throw new DomainError(
      "forbidden",
      `host ${host.name} is the only one that holds the key of ${last.id}: give it to another first, with \`gatehouse authority share HOST\` or \`gatehouse authority move HOST\``,
    );
}

/** Notes that an operator gave a host the key of an authority, by hand. */
export async function takePlacedKey(
  env: ControlEnvironment,
  hostId: HostId,
  id: AuthorityId,
): Promise<void> {
  const detail = { authority: id };
  const entry = { actor: `host:${hostId}`, action: "authority.placed", subject: hostId, detail };
  await env.store.write(entry, async (tx) => {
    const authority = await tx.authorities.get(id);
    if (authority === undefined || authority.holders.includes(hostId)) return;
    await tx.authorities.put({ ...authority, holders: [...authority.holders, hostId] });
  });
}

/**
 * Notes that an administrator gave the key of an authority, from a file of the user's, to the Admin
 * Node Manager of a host: it signs from now on, and what waited to be signed elsewhere is issued.
 */
export async function recordImport(
  env: ControlEnvironment,
  of: { readonly hostId: HostId; readonly id: AuthorityId; readonly actor: string },
): Promise<void> {
  const { hostId, id, actor } = of;
  const detail = { authority: id };
  await env.store.write(
    { actor, action: "authority.import", subject: hostId, detail },
    async (tx) => {
      const authority = await tx.authorities.get(id);
      if (authority === undefined) return;
      const holders = [...new Set([...authority.holders, hostId])];
      await tx.authorities.put({ ...authority, holders });
      for (const request of await tx.signingRequests.all())
        if (request.authorityId === id && request.signedSerial === null)
          await tx.signingRequests.remove(request.id);
    },
  );
}

/** Notes who holds the keys of authorities for which the version before has not written it. */
export async function recordHolder(
  env: ControlEnvironment,
  hostId: HostId,
  held: readonly AuthorityId[],
): Promise<void> {
  const detail = { authorities: held.join(" ") };
  const entry = { actor: `host:${hostId}`, action: "authority.holder", subject: hostId, detail };
  await env.store.write(entry, async (tx) => {
    for (const authority of await tx.authorities.all())
      if (authority.holders.length === 0 && held.includes(authority.id))
        await tx.authorities.put({ ...authority, holders: [hostId] });
  });
}
