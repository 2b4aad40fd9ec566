import { DomainError, type AuthorityId, type HostId } from "../kit/index.ts";
import {
  isSignedElsewhere,
  wantNewer,
  type Anchor,
  type Authority,
  type AuthorityUsage,
} from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import {
  makeAuthority,
  managementSubject,
  onlyCertificate,
  trafficSubject,
  type NewAuthority,
} from "./make-authority.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { anchorOf, publishTrust, requireHost } from "./publish-trust.ts";

/** A new CA in place of one that has ended, or whose key is lost. */
interface Replacement {
  readonly before: Authority;
  readonly made: NewAuthority;
}

export interface RecoverRequest {
  /** The host on which this runs. */
  readonly hostId: HostId;
  /** Makes a new management CA of the domain's own, whatever the present one is. */
  readonly isNewAuthorityWanted: boolean;
  readonly actor: string;
}

/**
 * Makes an offline domain one that can issue again: a CA that has expired is replaced by a new one,
 * which everybody learns of through the signed trust chain, since the trust-signing key never
 * expires; every host may come back as if it had been heard of just now. Returns the authorities that
 * were replaced. Throws `not-supported` where a provided or external CA has ended,
 * `authority-unavailable` where a key that is needed is not here.
 */
export async function recoverDomain(
  env: ControlEnvironment,
  request: RecoverRequest,
): Promise<AuthorityId[]> {
  const { hostId, isNewAuthorityWanted, actor } = request;
  const due = await env.store.read((view) => authoritiesToReplace(view, env, isNewAuthorityWanted));
  const replacements: Replacement[] = [];
  for (const before of due) replacements.push(await replacementOf(env, before, request));
  const replaced = due.map(({ id }) => id);
  const entry = {
    actor,
    action: "domain.recover",
    subject: hostId,
    detail: { replaced: replaced.join(" ") },
  };
  await env.store.write(entry, async (tx) => {
    for (const replacement of replacements) await replaceAuthority(tx, env, replacement);
    if (replacements.length > 0) await publishReplacements(tx, env, replacements);
    await followReplacements(tx, replacements);
    await countAsHeardOf(tx, env);
  });
  return replaced;
}

async function authoritiesToReplace(
  view: StoreView,
  env: ControlEnvironment,
  isNewWanted: boolean,
): Promise<Authority[]> {
  const due: Authority[] = [];
  for (const usage of ["management", "traffic"] as const) {
    const current = await view.authorities.current(usage);
    const isOver = current.notAfterMs <= env.clock.nowMs();
    const isWanted = isNewWanted && usage === "management";
    if (!isWanted) refuseOthersAuthority(current, isOver);
    if (isOver || isWanted) due.push(current);
    else if (usage === "management" && !isSignedElsewhere(current))
      await requireKeyHere(env, current);
  }
  return due;
}

/**
 * The place of provided and external CAs: one of theirs that has ended is not replaced by one of the
 * domain's own but by a person's word.
 */
function refuseOthersAuthority(current: Authority, isOver: boolean): void {
  const { id, signing } = current;
  if (signing === "generated" || !isOver) return;
  throw new DomainError(
    "not-supported",
    `${id} is no CA of this domain's own (${signing}), and has ended: --new-ca makes one that can, and everything comes back under that; then plan the change to the CA of yours`,
  );
}

async function requireKeyHere(env: ControlEnvironment, { id }: Authority): Promise<void> {
  try {
    await env.authorityKeys.requireUsable(id);
  } catch (cause) {
    throw new DomainError(
      "authority-unavailable",
      `this host cannot sign with ${id}: run this where its key is, unlock the keys with --passphrase-file, or make a new CA with --new-ca if the key is lost`,
      { cause },
    );
  }
}

async function replacementOf(
  env: ControlEnvironment,
  before: Authority,
  { hostId }: RecoverRequest,
): Promise<Replacement> {
  const { usage } = before;
  // A number that is spent for nothing is no loss: it is never given twice.
  const number = await env.store.note((tx) => tx.topology.nextNumber("authority", 1));
  const { domain, known, host } = await env.store.read(async (view) => ({
    domain: await view.topology.domain(),
    known: await view.authorities.all(),
    host: await requireHost(view, hostId),
  }));
  const made = await makeAuthority(env, {
    id: `${usage}-${number}` as AuthorityId,
    usage,
    subject: subjectOf(usage, number, domain),
    predecessor: null,
    earlier: known.map(({ certificatePem }) => onlyCertificate(certificatePem)),
    holders: [host],
  });
  return { before, made };
}

function subjectOf(
  usage: AuthorityUsage,
  number: number,
  domain: { readonly id: string; readonly name: string },
): string {
  return usage === "traffic"
    ? trafficSubject(number, domain.id)
    : managementSubject(domain.name, number);
}

/** One that has ended is retired; one that only lost its key is trusted until people retire it. */
async function replaceAuthority(
  tx: StoreTransaction,
  env: ControlEnvironment,
  { before, made }: Replacement,
): Promise<void> {
  const nowMs = env.clock.nowMs();
  await tx.authorities.put(
    before.notAfterMs <= nowMs
      ? { ...before, status: "retired", retiredAtMs: nowMs }
      : { ...before, status: "restored" },
  );
  await tx.authorities.put({ ...made.authority, status: "current" });
  await made.record(tx);
}

async function publishReplacements(
  tx: StoreTransaction,
  env: ControlEnvironment,
  replacements: readonly Replacement[],
): Promise<void> {
  const nowMs = env.clock.nowMs();
  const ended = new Set(
    (await tx.authorities.all()).filter((one) => one.notAfterMs <= nowMs).map(({ id }) => id),
  );
  const added = replacements.map(({ made }) => anchorOf(made.authority));
  await publishTrust(tx, env, {
    anchors: (anchors): Anchor[] => [
      ...anchors.filter(({ authorityId }) => !ended.has(authorityId)),
      ...added,
    ],
  });
}

/** What belongs to a CA that signs no more gets a certificate of the one in its place. */
async function followReplacements(
  tx: StoreTransaction,
  replacements: readonly Replacement[],
): Promise<void> {
  const replaced = new Set<string>(replacements.map(({ before }) => before.id));
  for (const credential of await tx.credentials.all()) {
    const { authorityId } = credential.desired;
    const owner = await tx.authorities.get(authorityId);
    const mayNot =
      owner === undefined || owner.status === "retired" || owner.status === "abandoned";
    if (!mayNot && !replaced.has(authorityId)) continue;
    const current = await tx.authorities.current(credential.usage);
    await tx.credentials.put({ ...credential, desired: wantNewer(credential, current.id) });
  }
}

/** It was the domain that was away, not the hosts. */
async function countAsHeardOf(tx: StoreTransaction, env: ControlEnvironment): Promise<void> {
  for (const observation of await tx.observations.hosts()) {
    const { receivedBy: _nobody, ...rest } = observation;
    await tx.observations.putHost({ ...rest, receivedAtMs: env.clock.nowMs() });
  }
}
