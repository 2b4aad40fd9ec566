import {
  assert,
  DomainError,
  type AuthorityId,
  type HostId,
  type ProcessId,
  type ServiceId,
} from "../kit/index.ts";
import {
  anchorsFor,
  checkService,
  credentialId,
  membersOf,
  wantNewer,
  type Denial,
  type Member,
  type Service,
} from "../domain/index.ts";
import { isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { newCredential } from "./issue.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { currentTrust, publishTrust, requireHost } from "./publish-trust.ts";
import { removeCredentials } from "./revoke.ts";
import { introduceServiceAuthority, prepareServiceAuthority } from "./service-authority.ts";

/** A service as an administrator declares it, its driver read and checked. */
export interface ServiceDeclaration extends Pick<
  Service,
  "name" | "shape" | "driver" | "supervised" | "maxUnavailable" | "dnsNames"
> {
  readonly members: readonly MemberDeclaration[];
  /** The CA of the files that were placed by hand, PEM; null: the service begins with one of ours. */
  readonly foundCaPem: string | null;
  /** The servers run with the credentials that they came with, or none, until a plan replaces them. */
  readonly isBuiltIn: boolean;
}

interface MemberDeclaration extends Pick<
  Member,
  "name" | "variables" | "settings" | "dnsNames" | "pair" | "enabled"
> {
  /** Name or id of its host. */
  readonly host: string;
}

export interface AppliedService {
  readonly id: ServiceId;
  readonly name: string;
  /** What was done, in words; empty: it was as declared. */
  readonly changes: readonly string[];
}

/**
 * Makes the services of the domain what is declared; those that are not named stay as they are. A new one gets an
 * authority of its own, and each member a credential of it; Node Managers do the rest. Throws
 * `invalid-input` and `invalid-name` for what is wrong in itself, `not-found` for a host, `conflict` for a
 * change that an open rollout of that service could not take back.
 */
export async function applyServices(
  env: ControlEnvironment,
  declarations: readonly ServiceDeclaration[],
  actor: string,
): Promise<AppliedService[]> {
  for (const each of declarations) checkService(each, each.members);
  const names = declarations.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new DomainError("invalid-input", `service ${twice} is declared twice: name each once`);
  // Of all of them before the first is written.
  await env.store.read(async (view) => {
    for (const { name, members } of declarations)
      for (const { host } of members) await findHost(view, host, name);
  });
  const applied: AppliedService[] = [];
  for (const each of declarations) applied.push(await applyOne(env, each, actor));
  return applied;
}

async function applyOne(
  env: ControlEnvironment,
  declared: ServiceDeclaration,
  actor: string,
): Promise<AppliedService> {
  const known = await env.store.read((view) => findService(view, declared.name));
  const authority = known === undefined ? await prepareServiceAuthority(env, declared) : null;
  const entry = {
    actor,
    action: known === undefined ? "service.create" : "service.change",
    subject: declared.name,
    detail: { driver: declared.driver.name, members: declared.members.length },
  };
  return env.store.write(entry, async (tx) => {
    const before = await findService(tx, declared.name);
    if (before?.id !== known?.id) throw changedMeanwhile(declared.name);
    const changes: string[] = [];
    if (authority !== null) await introduceServiceAuthority(tx, env, authority);
    const id = before?.id ?? authority?.service;
    assert(id !== undefined, "a service is known, or has just been given its number");
    const service: Service = { ...propertiesOf(declared), id, active: before?.active ?? null };
    if (before === undefined) changes.push("created");
    else if (!isSame(before, service)) changes.push("changed");
    if (before !== undefined && changes.length > 0) await refuseDuringRollout(tx, before);
    await applyMembers(tx, env, { service, before, declared, changes });
    await refuseShared(tx, service);
    const next = await withActive(tx, service);
    if (before === undefined || !isSame(before, next)) await tx.topology.putService(next);
    return { id, name: service.name, changes };
  });
}

function changedMeanwhile(name: string): DomainError {
  return new DomainError("conflict", `service ${name} was changed meanwhile: apply it again`);
}

function propertiesOf({
  name,
  shape,
  driver,
  supervised,
  maxUnavailable,
  dnsNames,
}: ServiceDeclaration): Omit<Service, "id" | "active"> {
  return { name, shape, driver, supervised, maxUnavailable, dnsNames };
}

function isSame(before: object, after: object): boolean {
  return JSON.stringify(sorted(before)) === JSON.stringify(sorted(after));
}

/** The same value with the names of every object in order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]));
}

/** Where the driver leaves it to Gatehouse, the first member is active until somebody changes that. */
async function withActive(view: StoreView, service: Service): Promise<Service> {
  const isOurs = service.shape === "pair" && service.driver.traits.roles === "driver";
  if (!isOurs) return { ...service, active: null };
  const members = membersOf({ members: await view.topology.members() }, service);
  const [first] = members;
  assert(first !== undefined, "a pair has two members");
  const stays = members.some(({ id }) => id === service.active?.member);
  return stays ? service : { ...service, active: { member: first.id, by: "promotion" } };
}

interface Applying {
  readonly service: Service;
  readonly before: Service | undefined;
  readonly declared: ServiceDeclaration;
  /** What was done is added here. */
  readonly changes: string[];
}

async function applyMembers(
  tx: StoreTransaction,
  env: ControlEnvironment,
  { service, before, declared, changes }: Applying,
): Promise<void> {
  const known = new Map(
    membersOf({ members: await tx.topology.members() }, service).map((each) => [each.name, each]),
  );
  const isFound =
    (declared.foundCaPem !== null || declared.isBuiltIn) && !(await isTakenOver(tx, service));
  const anchors = anchorsFor(await currentTrust(tx), service.id);
  const trusts = declared.isBuiltIn && isFound ? [] : anchors.map((each) => each.authorityId);
  const areNamesNew = before !== undefined && !isSame(before.dnsNames, service.dnsNames);
  for (const member of declared.members) {
    const host = await findHost(tx, member.host, service.name);
    const found = known.get(member.name);
    known.delete(member.name);
    if (found === undefined) {
      await addMember(tx, {
        service,
        member,
        hostId: host,
        trusts,
        isFound,
      });
      changes.push(`member ${member.name} added`);
      continue;
    }
    if (found.hostId !== host)
      throw new DomainError(
        "conflict",
        `member ${member.name} of service ${service.name} is on ${found.hostId}: its key stays there, remove the member and add one of another name on ${host}`,
      );
    const { host: _host, ...properties } = member;
    const next: Member = { ...found, ...properties };
    if (areNamesNew || !isSame(found.dnsNames, next.dnsNames)) await wantRenamed(tx, service, next);
    if (isSame(found, next)) continue;
    await tx.topology.putMember(next);
    changes.push(`member ${member.name} changed`);
  }
  const denied: Denial[] = [];
  for (const gone of known.values()) {
    await refuseDuringRollout(tx, service);
    denied.push(...(await removeMember(tx, gone)));
    changes.push(`member ${gone.name} removed`);
  }
  if (denied.length > 0) await publishTrust(tx, env, { deny: denied });
}

/** True when some member has a certificate of ours, or is to have one. */
async function isTakenOver(view: StoreView, { id }: Service): Promise<boolean> {
  const credentials = await view.credentials.all();
  return credentials.some(({ usage, desired }) => usage === id && desired.maxSequence !== 0);
}

/** What no two members on one host can have: a folder, or a port at one address. */
const ownPlaces: readonly { what: string; of: (member: Member) => string | undefined }[] = [
  { what: "folder", of: ({ variables: { folder } }) => folder?.toString() },
  {
    what: "port",
    of: ({ variables: { host, port } }) =>
      port === undefined ? undefined : `${port}${host === undefined ? "" : ` at ${host}`}`,
  },
];

async function refuseShared(view: StoreView, service: Service): Promise<void> {
  const members = await view.topology.members();
  for (const member of membersOf({ members }, service))
    for (const { what, of } of ownPlaces) {
      const place = of(member);
      const other = members.find(
        (each) => each.id !== member.id && each.hostId === member.hostId && of(each) === place,
      );
      if (place === undefined || other === undefined) continue;
      throw new DomainError(
        "already-exists",
        `members ${member.name} of service ${service.name} and ${other.name} (${other.id}) on ${member.hostId} have the same ${what}, ${place}: give each its own`,
      );
    }
}

async function addMember(
  tx: StoreTransaction,
  of: {
    readonly service: Service;
    readonly member: MemberDeclaration;
    readonly hostId: HostId;
    readonly trusts: readonly AuthorityId[];
    /** Its files were placed by hand, and stay until a plan replaces them. */
    readonly isFound: boolean;
  },
): Promise<void> {
  const { host: _host, ...properties } = of.member;
  const id = `member-${await tx.topology.nextNumber("member", 1)}` as ProcessId;
  await tx.topology.putMember({
    ...properties,
    id,
    serviceId: of.service.id,
    hostId: of.hostId,
    trusts: of.trusts,
  });
  const credential = await newCredential(tx, {
    process: id,
    hostId: of.hostId,
    usage: of.service.id,
  });
  const found = { ...credential.desired, minSequence: 0, maxSequence: 0 };
  await tx.credentials.put(of.isFound ? { ...credential, desired: found } : credential);
}

/** Other names take another certificate; one that has none yet gets them with its first. */
async function wantRenamed(tx: StoreTransaction, service: Service, member: Member): Promise<void> {
  await refuseDuringRollout(tx, service);
  const credential = await tx.credentials.get(credentialId(member.id, service.id));
  if (credential !== undefined && credential.lastSequence > 0)
    await tx.credentials.put({ ...credential, desired: wantNewer(credential) });
}

/** What a rollout would present or configure again cannot change below it. */
async function refuseDuringRollout(view: StoreView, service: Service): Promise<void> {
  const open = (await view.rollouts.open()).find(isOpen);
  if (open === undefined || !open.successions.some(({ usage }) => usage === service.id)) return;
  throw new DomainError(
    "conflict",
    `rollout ${open.id} (${open.title}) changes service ${service.name}: let it finish, or take it back with \`gatehouse rollout rollback\``,
  );
}

async function removeMember(tx: StoreTransaction, { id }: Member): Promise<Denial[]> {
  const denied = await removeCredentials(tx, id, `${id} was removed`);
  await tx.topology.removeMember(id);
  return denied;
}

/**
 * Removes a service with its members and its authority; supervised members are stopped, servers that are only looked after run on
 * with the files that they have. Throws `not-found`, and `conflict` while a rollout changes it.
 */
export async function deleteService(
  env: ControlEnvironment,
  request: { readonly name: string; readonly actor: string },
): Promise<void> {
  const { name, actor } = request;
  const entry = { actor, action: "service.delete", subject: name, detail: {} };
  await env.store.write(entry, async (tx) => {
    const service = await requireService(tx, name);
    await refuseDuringRollout(tx, service);
    const denied: Denial[] = [];
    for (const member of membersOf({ members: await tx.topology.members() }, service))
      denied.push(...(await removeMember(tx, member)));
    await tx.topology.removeService(service.id);
    for (const authority of await tx.authorities.all())
      if (authority.usage === service.id && authority.status !== "abandoned")
        await tx.authorities.put({
          ...authority,
          status: "retired",
          retiredAtMs: env.clock.nowMs(),
        });
    await publishTrust(tx, env, {
      anchors: (anchors) => anchors.filter(({ usage }) => usage !== service.id),
      deny: denied,
    });
  });
}

/** The service of this name or id, or `not-found`. */
export async function requireService(view: StoreView, nameOrId: string): Promise<Service> {
  const found = await findService(view, nameOrId);
  if (found !== undefined) return found;
  throw new DomainError(
    "not-found",
    `there is no service ${nameOrId}: \`gatehouse service list\` lists them`,
  );
}

async function findService(view: StoreView, nameOrId: string): Promise<Service | undefined> {
  const services = await view.topology.services();
  return services.find(({ id, name }) => id === nameOrId || name === nameOrId);
}

async function findHost(view: StoreView, nameOrId: string, service: string): Promise<HostId> {
  const hosts = await view.topology.hosts();
  const found = hosts.find(({ id, name }) => id === nameOrId || name === nameOrId);
  if (found === undefined)
    throw new DomainError(
      "not-found",
      `there is no host ${nameOrId} for service ${service}: \`gatehouse host list\` lists them`,
    );
  const { status } = await requireHost(view, found.id);
  if (status === "active") return found.id;
  throw new DomainError(
    "denied",
    `host ${found.name} is ${status}: choose another host for service ${service}`,
  );
}
