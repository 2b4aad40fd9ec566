import { DomainError, type AuthorityId, type HostId } from "../kit/index.ts";
import { credentialId, revokedRemedy, wantNewer, type Host } from "../domain/index.ts";
import { isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { refuseDialledAdmin } from "./host-dial.ts";
import { refuseLastAdmin } from "./last-admin.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { publishTrust, requireHost, roleOf } from "./publish-trust.ts";
import { withdrawKeys } from "./share-keys.ts";

export interface RoleRequest {
  readonly id: HostId;
  readonly isAdmin: boolean;
  /** The caller has just made sure that the host can log in to the database. */
  readonly hasDatabaseLogin?: boolean;
  readonly actor: string;
}

/**
 * Says whether the Node Manager of a host is an Admin Node Manager from now on; the host makes it
 * so while it and its instances run. Its certificate states the role, so a new one is wanted; until
 * that is presented its peers know it by both. Returns the authorities whose keys are taken from
 * it. Throws `not-found`, `denied`; `not-running` for a host that is away; `not-supported` where it
 * could not become one; `forbidden` for the only one and for the last holder of a key;
 * `rollout-active` while a rollout might present a certificate of the role before.
 */
export async function setHostRole(
  env: ControlEnvironment,
  request: RoleRequest,
): Promise<AuthorityId[]> {
  const { id, isAdmin, actor } = request;
  const host = await env.store.read((view) => requireHost(view, id));
  if (host.nodeManager.isAdmin === isAdmin) return [];
  const entry = {
    actor,
    action: isAdmin ? "host.promote" : "host.demote",
    subject: id,
    detail: {},
  };
  return env.store.write(entry, async (tx) => {
    const now = await requireHost(tx, id);
    if (now.nodeManager.isAdmin === isAdmin) return [];
    await refuseOpenRollout(tx, now);
    await refuseAway(tx, env, now);
    return isAdmin ? promote(tx, now, request) : demote(tx, env, now);
  });
}

async function promote(
  tx: StoreTransaction,
  host: Host,
  { id, hasDatabaseLogin }: RoleRequest,
): Promise<AuthorityId[]> {
  refuseDialledAdmin({ dial: host.dial, isAdmin: true });
  const known = (await tx.observations.host(id))?.admin?.hasDatabaseLogin;
  if (hasDatabaseLogin !== true && known !== true)
    throw new DomainError(
      "not-supported",
      `host ${host.name} has no login to the domain's database: run this command on that host with --db_password_file or --db_password_exec, or write {"passwordFile": "FILE"} into conf/database.json of its home first`,
    );
  await changeRole(tx, host, true);
  return [];
}

async function demote(
  tx: StoreTransaction,
  env: ControlEnvironment,
  host: Host,
): Promise<AuthorityId[]> {
  await refuseLastAdmin(
    tx,
    host,
    "make another host one first, with `managedomain --edit_host --host HOST --is_admin`",
  );
  const taken = await withdrawKeys(tx, host);
  await changeRole(tx, host, false);
  await publishTrust(tx, env, {});
  return taken;
}

async function changeRole(tx: StoreTransaction, host: Host, isAdmin: boolean): Promise<void> {
  const before = roleOf(host);
  const nodeManager = { ...host.nodeManager, isAdmin, sealingKey: null };
  await tx.topology.putHost({ ...host, nodeManager });
  const credential = await tx.credentials.get(credentialId(nodeManager.id, "management"));
  if (credential !== undefined && credential.lastSequence > 0)
    await tx.credentials.put({
      ...credential,
      desired: wantNewer(credential),
      recorded: credential.recorded.map((key) => ({ ...key, role: key.role ?? before })),
    });
  await tx.topology.raiseDocumentVersion(host.id);
}

/** Throws `rollout-active` while a rollout might present an earlier certificate of the host again. */
export async function refuseOpenRollout(view: StoreView, host: Host): Promise<void> {
  const open = (await view.rollouts.open()).find(isOpen);
  if (open !== undefined)
    throw new DomainError(
      "rollout-active",
      `rollout ${open.id} (${open.title}) is under way and may present an earlier certificate of ${host.name} again: change what it states when that is over, or take it back first with \`gatehouse rollout rollback\``,
    );
}

/** Whoever is to change has to do it now: half of a role is none. */
async function refuseAway(
  view: StoreView,
  { clock, policy }: Pick<ControlEnvironment, "clock" | "policy">,
  host: Host,
): Promise<void> {
  if (host.status === "revoked")
    throw new DomainError("denied", `host ${host.name} was revoked: ${revokedRemedy(host)}`);
  const last = await view.observations.host(host.id);
  const silentMs = clock.nowMs() - (last?.receivedAtMs ?? 0);
  if (host.status !== "active" || silentMs > policy.silentAfterSeconds * 1000)
    throw new DomainError(
      "not-running",
      `host ${host.name} is not connected, and its Node Manager has to make the new key: start it there with \`gatehouse node start\``,
    );
  if (last?.admin === undefined)
    throw new DomainError(
      "not-supported",
      `the Node Manager of ${host.name} is of a version that cannot change what it is: upgrade and restart it first`,
    );
}

/** Throws `conflict` while the role of a host changes: a rollback might present the one before. */
export async function refuseChangingRole(view: StoreView): Promise<void> {
  const hosts = new Map((await view.topology.hosts()).map((host) => [host.id, host]));
  for (const { hostId, recorded } of await view.credentials.all()) {
    const host = hosts.get(hostId);
    if (
      host === undefined ||
      !recorded.some(({ role }) => role !== undefined && role !== roleOf(host))
    )
      continue;
    throw new DomainError(
      "conflict",
      `host ${host.name} is becoming ${host.nodeManager.isAdmin ? "an Admin Node Manager" : "a plain Node Manager"}: start the rollout when that is done, in a moment if its Node Manager runs`,
    );
  }
}
