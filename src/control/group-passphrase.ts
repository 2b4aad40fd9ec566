import { DomainError, type GroupId, type HostId } from "../kit/index.ts";
import type { Group, GroupPassphrase } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { requireHost } from "./publish-trust.ts";

/** Seals a secret for the holder of a key (SPKI, base64). */
export type SealSecret = (secret: string, sealingKey: string) => Promise<string>;

export interface ChangeGroupPassphraseRequest {
  readonly id: GroupId;
  /** Empty where there is none. */
  readonly old: string;
  readonly new: string;
  readonly actor: string;
}

/**
 * Gives a group another passphrase: every host with instances of it gets it sealed, and encrypts
 * their keys by it, now or when it is back. The same one again is sealed anew. Throws `forbidden` for
 * a wrong old one, `not-running` for a host that has not yet shown what to seal for.
 */
export async function changeGroupPassphrase(
  env: ControlEnvironment,
  request: ChangeGroupPassphraseRequest,
  seal: SealSecret,
): Promise<void> {
  const { id, actor } = request;
  const before = await env.store.read((view) => situation(view, id));
  await requireRight(env, before.group, request.old);
  const isSet = request.new !== "";
  const next: GroupPassphrase = {
    version: before.newestVersion + 1,
    hash: isSet ? await env.passwords.hash(request.new) : null,
    sealed: isSet ? await sealedFor(before.sealingKeys, request.new, seal) : {},
  };
  const detail = { version: next.version, isSet };
  const entry = { actor, action: "group.passphrase", subject: id, detail };
  await env.store.write(entry, async (tx) => {
    const now = await situation(tx, id);
    if (now.group.passphrase?.version !== before.group.passphrase?.version)
      throw new DomainError(
        "conflict",
        `the passphrase of group ${now.group.name} was changed at the same time: ask again with the present one`,
      );
    if (JSON.stringify([...now.sealingKeys]) !== JSON.stringify([...before.sealingKeys]))
      throw new DomainError(
        "conflict",
        `group ${now.group.name} got or lost an instance at the same time: ask again`,
      );
    await tx.topology.putGroup({ ...now.group, passphrase: next });
  });
}

interface Situation {
  readonly group: Group;
  /** Of each host with instances of it. */
  readonly sealingKeys: ReadonlyMap<HostId, string>;
  /** A store from an older backup may know an older one than the hosts. */
  readonly newestVersion: number;
}

async function situation(view: StoreView, id: GroupId): Promise<Situation> {
  const group = (await view.topology.groups()).find((each) => each.id === id);
  if (group === undefined)
    throw new DomainError("not-found", `there is no group ${id} in this domain`);
  const instances = await view.topology.instances();
  const hosts = new Set(
    instances.filter(({ groupId }) => groupId === id).map(({ hostId }) => hostId),
  );
  const sealingKeys = new Map<HostId, string>();
  let newestVersion = group.passphrase?.version ?? 0;
  for (const hostId of hosts) {
    sealingKeys.set(hostId, await sealingKeyOf(view, hostId));
    const held = (await view.observations.host(hostId))?.keys?.groups ?? [];
    for (const { groupId, version } of held)
      if (groupId === id) newestVersion = Math.max(newestVersion, version);
  }
  return { group, sealingKeys, newestVersion };
}

/** What a passphrase is sealed for on a host. Throws `not-running` before its Node Manager has shown it. */
export async function sealingKeyOf(view: StoreView, hostId: HostId): Promise<string> {
  const sealingKey = (await view.observations.host(hostId))?.keys?.sealingKey;
  if (sealingKey !== undefined) return sealingKey;
  const { name } = await requireHost(view, hostId);
  throw new DomainError(
    "not-running",
    `the Node Manager of ${name} has not shown yet what a passphrase is sealed for: start it, of this version, and ask again`,
  );
}

async function sealedFor(
  sealingKeys: ReadonlyMap<HostId, string>,
  passphrase: string,
  seal: SealSecret,
): Promise<GroupPassphrase["sealed"]> {
  const sealed: Record<string, { sealingKey: string; text: string }> = {};
  for (const [hostId, sealingKey] of sealingKeys)
    sealed[hostId] = { sealingKey, text: await seal(passphrase, sealingKey) };
  return sealed;
}

async function requireRight(
  env: ControlEnvironment,
  { name, passphrase }: Group,
  given: string,
): Promise<void> {
  const hash = passphrase?.hash ?? null;
  const isRight = hash === null ? given === "" : await env.passwords.matches(given, hash);
  if (isRight) return;
  throw new DomainError(
    "forbidden",
    hash === null
      ? `group ${name} has no passphrase, so it is not the one that was given: \`managedomain --change_passphrase\` gives it one`
      : `the passphrase of group ${name} is another than the one that was given`,
  );
}

/** The passphrase of a group, prepared for a host that gets an instance of it. */
export interface PreparedPassphrase {
  /** What it was prepared after. */
  readonly presentVersion: number;
  readonly hash: string;
  readonly sealed: GroupPassphrase["sealed"];
}

/**
 * Checks the passphrase that was given with a new instance, or takes it for a new group, and seals it
 * for the host. Null where none was given. Throws `forbidden` for a wrong one, `not-running`.
 */
export async function preparePassphrase(
  env: ControlEnvironment,
  of: {
    readonly group: string;
    readonly hostId: HostId;
    readonly passphrase?: { readonly text: string; readonly seal: SealSecret };
  },
): Promise<PreparedPassphrase | null> {
  if (of.passphrase === undefined) return null;
  const { text, seal } = of.passphrase;
  const { group, sealingKey } = await env.store.read(async (view) => ({
    group: (await view.topology.groups()).find(({ name }) => name === of.group),
    sealingKey: await sealingKeyOf(view, of.hostId),
  }));
  if (group !== undefined) await requireRight(env, group, text);
  return {
    presentVersion: group?.passphrase?.version ?? 0,
    hash: group?.passphrase?.hash ?? (await env.passwords.hash(text)),
    sealed: await sealedFor(new Map([[of.hostId, sealingKey]]), text, seal),
  };
}

/**
 * The group as it is with an instance on a host. Throws `unauthenticated` where that host does not
 * have its passphrase and none was given, `conflict` where it was changed meanwhile.
 */
export async function withPassphrase(
  tx: StoreTransaction,
  group: Group,
  hostId: HostId,
  prepared: PreparedPassphrase | null,
): Promise<Group> {
  const { name, passphrase } = group;
  if (prepared === null) {
    const held = passphrase?.sealed[hostId]?.sealingKey;
    const isOpenThere = held !== undefined && held === (await sealingKeyOf(tx, hostId));
    if ((passphrase?.hash ?? null) === null || isOpenThere) return group;
    throw new DomainError(
      "unauthenticated",
      `group ${name} has a passphrase that its new host does not know: give it with --passphrase_file`,
    );
  }
  if ((passphrase?.version ?? 0) !== prepared.presentVersion)
    throw new DomainError(
      "conflict",
      `the passphrase of group ${name} was changed at the same time: ask again with the present one`,
    );
  const sealed = { ...passphrase?.sealed, ...prepared.sealed };
  const version = Math.max(1, prepared.presentVersion);
  const changed = { ...group, passphrase: { version, hash: prepared.hash, sealed } };
  await tx.topology.putGroup(changed);
  return changed;
}

/** Which hosts hold the keys of a group's instances under its present passphrase. Throws `not-found`. */
export async function groupPassphraseState(
  view: StoreView,
  id: GroupId,
): Promise<{
  isSet: boolean;
  hosts: { id: HostId; name: string; isCurrent: boolean }[];
}> {
  const group = (await view.topology.groups()).find((each) => each.id === id);
  if (group === undefined)
    throw new DomainError("not-found", `there is no group ${id} in this domain`);
  const instances = (await view.topology.instances()).filter(({ groupId }) => groupId === id);
  const version = group.passphrase?.version ?? 0;
  const hosts = [];
  for (const hostId of new Set(instances.map((instance) => instance.hostId))) {
    const { name } = await requireHost(view, hostId);
    const held = (await view.observations.host(hostId))?.keys?.groups ?? [];
    const there = held.find(({ groupId }) => groupId === id)?.version ?? 0;
    hosts.push({ id: hostId, name, isCurrent: there >= version });
  }
  return { isSet: (group.passphrase?.hash ?? null) !== null, hosts };
}
