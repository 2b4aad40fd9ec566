import { assert, DomainError, type CredentialId, type RolloutId } from "../kit/index.ts";
import {
  fits,
  forgetSuperseded,
  holdersOf,
  isSignedElsewhere,
  wantNewer,
  type Anchor,
  type Authority,
  type AuthorityStatus,
  type Credential,
  type DesiredCredential,
  type Denial,
} from "../domain/index.ts";
import {
  arrangeEvidence,
  callCounts,
  canaryIsWorse,
  nextMove,
  type AppliedStep,
  type CredentialBefore,
  type Edit,
  type Evidence,
  type Move,
  type Rollout,
  type Step,
} from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { Leadership } from "./leadership.ts";
import { handOver, trustMembers } from "./edit-members.ts";
import {
  givenAuthority,
  makeAuthority,
  onlyCertificate,
  type NewAuthority,
} from "./make-authority.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import {
  anchorOf,
  currentTrust,
  isDenied,
  isWaitingForHosts,
  publishTrust,
} from "./publish-trust.ts";
import { requireRollout, rollBack } from "./rollouts.ts";
import { activeAdmins } from "./service-authority.ts";
import { readSnapshot } from "./snapshot.ts";

/**
 * Makes the next move of a rollout, if there is one to make, and returns it; none while a restored
 * domain waits for hosts. The gate is evaluated outside first, and again inside the transaction that
 * applies the step. Throws `not-leader`, `conflict` if the move is another one by then, and
 * `authority-unavailable` for a step that makes a CA where the key of the one before is not here.
 */
export async function advanceRollout(
  env: ControlEnvironment,
  leadership: Leadership,
  id: RolloutId,
  heldSinceMs: number | null,
): Promise<Move> {
  const move = await env.store.read(async (view) => {
    const rollout = await requireRollout(view, id);
    if (await isWaitingForHosts(view)) return { do: "nothing" } as const;
    return nextMove(rollout, arrangeEvidence(await readSnapshot(view, env, 0)), heldSinceMs);
  });
  if (move.do === "wait" && move.blockers.some(({ code }) => code === canaryIsWorse))
    await rollBack(env, id, "system:leader");
  if (move.do !== "apply" && move.do !== "finish") return move;
  const prepared = move.do === "apply" ? await prepare(env, move.step) : [];
  const subject = move.do === "apply" ? `${id} ${move.step.id}` : id;
  const entry = {
    actor: "system:leader",
    action: move.do === "apply" ? "rollout.step" : "rollout.finish",
    subject,
    detail: { fencingToken: leadership.fencingToken },
  };
  return env.store.write(entry, async (tx) => {
    await tx.leases.require(leadership.lease, leadership.fencingToken);
    const rollout = await requireRollout(tx, id);
    const evidence = arrangeEvidence(await readSnapshot(tx, env, await tx.revision()));
    const again = nextMove(rollout, evidence, heldSinceMs);
    if (again.do === "finish" && move.do === "finish")
      await tx.rollouts.put(finished(rollout, env.clock.nowMs()));
    else if (again.do === "apply" && move.do === "apply" && again.step.id === move.step.id)
      await tx.rollouts.put(
        await applyStep(tx, env, rollout, { step: again.step, prepared, evidence }),
      );
    else throw changedMeanwhile(id);
    return again;
  });
}

/** Nothing is written, nor an audit record of a step that was not taken. */
function changedMeanwhile(id: RolloutId): DomainError {
  return new DomainError(
    "conflict",
    `rollout ${id} or what its gate looks at changed meanwhile: look again`,
  );
}

function finished(rollout: Rollout, nowMs: number): Rollout {
  const status = rollout.status === "rolling-back" ? "rolled-back" : "completed";
  return {
    ...rollout,
    status,
    done: markHeld(rollout.done, nowMs),
    finishedAtMs: nowMs,
    version: rollout.version + 1,
  };
}

function markHeld(done: readonly AppliedStep[], nowMs: number): AppliedStep[] {
  return done.map((applied) =>
    applied.heldAtMs === null ? { ...applied, heldAtMs: nowMs } : applied,
  );
}

/** Work that has effects outside the store, done before the transaction; repeating it is harmless. */
async function prepare(env: ControlEnvironment, step: Step): Promise<NewAuthority[]> {
  if (step.edit.do !== "create-authorities") return [];
  const { known, hosts } = await env.store.read(async (view) => ({
    known: await view.authorities.all(),
    hosts: await view.topology.hosts(),
  }));
  const earlier = known.map((authority) => onlyCertificate(authority.certificatePem));
  const made: NewAuthority[] = [];
  for (const { usage, from, to, subject, given, isKeyLost = false } of step.edit.successions) {
    if (given !== undefined) {
      made.push(givenAuthority(env, to, given, usage));
      continue;
    }
    const before = known.find((authority) => authority.id === from);
    assert(before !== undefined, "a succession names an authority of the store");
    const predecessor = isKeyLost || isSignedElsewhere(before) ? null : before;
    // Before a key is made here that nobody would ever use.
    if (predecessor !== null) await env.authorityKeys.requireUsable(predecessor.id);
    const authority = await makeAuthority(env, {
      id: to,
      usage,
      subject,
      predecessor,
      earlier: [...earlier, ...made.map((m) => m.root)],
      holders: predecessor === null ? activeAdmins(hosts) : holdersOf(predecessor, hosts),
    });
    made.push(authority);
  }
  return made;
}

interface Application {
  readonly step: Step;
  readonly prepared: readonly NewAuthority[];
  /** As it was before the edit. */
  readonly evidence: Evidence;
}

async function applyStep(
  tx: StoreTransaction,
  env: ControlEnvironment,
  rollout: Rollout,
  { step, prepared, evidence }: Application,
): Promise<Rollout> {
  const before = await applyEdit(tx, env, rollout, step.edit, prepared);
  const nowMs = env.clock.nowMs();
  const applied: AppliedStep = {
    step,
    appliedAtMs: nowMs,
    epoch: (await currentTrust(tx)).epoch,
    before,
    ...(step.gate.some(({ require }) => require === "no-worse")
      ? { counts: callCounts(evidence) }
      : {}),
    heldAtMs: null,
  };
  return {
    ...rollout,
    done: [...markHeld(rollout.done, nowMs), applied],
    todo: rollout.todo.slice(1),
    version: rollout.version + 1,
  };
}

type Before = Record<CredentialId, CredentialBefore>;

async function applyEdit(
  tx: StoreTransaction,
  env: ControlEnvironment,
  rollout: Rollout,
  edit: Edit,
  prepared: readonly NewAuthority[],
): Promise<Before> {
  switch (edit.do) {
    case "create-authorities":
      for (const { authority, record } of prepared) {
        await requireSameHolders(tx, rollout.id, authority);
        await tx.authorities.put(authority);
        await record(tx);
      }
      return {};
    case "trust": {
      const added = (await tx.authorities.all())
        .filter((authority) => edit.authorities.includes(authority.id))
        .map(anchorOf);
      await publishTrust(tx, env, { anchors: (anchors) => [...anchors, ...added] });
      return {};
    }
    case "collect":
      await collect(tx, edit);
      return {};
    case "give-up-collected":
      await giveUpCollected(tx);
      return {};
    case "make-current":
      for (const id of edit.authorities) await makeCurrent(tx, id, "previous");
      return {};
    case "reissue":
      return reissue(tx, (credential) => edit.credentials.includes(credential.id));
    case "reissue-rest":
      return reissueRest(tx, edit.usages);
    case "trust-members":
      await trustMembers(tx, edit);
      return {};
    case "replace-members":
      await trustMembers(tx, edit);
      return reissue(tx, (credential) => edit.credentials.includes(credential.id));
    case "hand-over":
      await handOver(tx, edit);
      return {};
    case "watch":
      return {};
    case "distrust":
      await distrust(tx, env, edit);
      return {};
    case "forget-superseded":
      await forgetAll(tx);
      await publishTrust(tx, env, {});
      return {};
    case "return":
      await presentEarlier(tx, rollout, edit);
      // Its epoch tells reports from before this from those after.
      await publishTrust(tx, env, {});
      return {};
  }
}

/** A key that was shared or unshared since the new one was sealed: that would go to the wrong ones. */
async function requireSameHolders(
  tx: StoreTransaction,
  rollout: RolloutId,
  { predecessor: id, holders, signing }: Authority,
): Promise<void> {
  if (signing !== "generated") return;
  const hosts = await tx.topology.hosts();
  const predecessor = id === null ? undefined : await tx.authorities.get(id);
  const wanted = predecessor === undefined ? activeAdmins(hosts) : holdersOf(predecessor, hosts);
  if (wanted.map((host) => host.id).join() !== holders.join()) throw changedMeanwhile(rollout);
}

/** Makes `id` the current authority of its usage; the one before gets the given status. */
async function makeCurrent(
  tx: StoreTransaction,
  id: string,
  statusOfOther: AuthorityStatus,
): Promise<void> {
  const all = await tx.authorities.all();
  const chosen = all.find((authority) => authority.id === id);
  assert(chosen !== undefined, "a plan names an authority of the store");
  const other = all.find(
    (authority) => authority.usage === chosen.usage && authority.status === "current",
  );
  if (other?.id === chosen.id) return;
  if (other !== undefined) await tx.authorities.put({ ...other, status: statusOfOther });
  await tx.authorities.put({ ...chosen, status: "current" });
}

async function collect(
  tx: StoreTransaction,
  { credentials, authority }: Extract<Edit, { do: "collect" }>,
): Promise<void> {
  for (const id of credentials) {
    const credential = await tx.credentials.get(id);
    // One that was deleted since the plan was made.
    if (credential === undefined) continue;
    const desired = { ...credential.desired, collects: authority };
    await tx.credentials.put({ ...credential, desired });
  }
}

async function giveUpCollected(tx: StoreTransaction): Promise<void> {
  for (const credential of await tx.credentials.all()) {
    const { collects, ...desired } = credential.desired;
    if (collects === undefined) continue;
    await tx.credentials.put({ ...credential, desired });
    await tx.signingRequests.remove(credential.id);
  }
}

/** Wants a generation newer than any that exists, from the current authority of each usage. */
async function reissue(
  tx: StoreTransaction,
  concerns: (credential: Credential) => boolean,
): Promise<Before> {
  const before: Before = {};
  for (const credential of (await tx.credentials.all()).filter(concerns)) {
    const { lastSequence } = credential;
    // What was collected is presented now; a rollback does not want it collected again.
    const { collects: _collected, ...desired } = credential.desired;
    before[credential.id] = { desired, lastSequence };
    const authority = await tx.authorities.current(credential.usage);
    await tx.credentials.put({
      ...credential,
      desired: wantNewer(credential, authority.id),
    });
  }
  return before;
}

/** What still belongs to an authority that is not the current one of its usage. */
async function reissueRest(
  tx: StoreTransaction,
  usages: Extract<Edit, { do: "reissue-rest" }>["usages"],
): Promise<Before> {
  const current = new Set(
    (await tx.authorities.all()).filter((a) => a.status === "current").map((a) => a.id),
  );
  return reissue(
    tx,
    ({ usage, desired }) => usages.includes(usage) && !current.has(desired.authorityId),
  );
}

async function distrust(
  tx: StoreTransaction,
  env: ControlEnvironment,
  edit: Extract<Edit, { do: "distrust" }>,
): Promise<void> {
  const concerned = (await tx.authorities.all()).filter((authority) =>
    edit.authorities.includes(authority.id),
  );
  const gone = new Set<string>(edit.authorities);
  const members = (await tx.topology.members()).map(({ id }) => id);
  await trustMembers(tx, { members, adds: [], removes: edit.authorities });
  // A chain must not lead back to a root that is no longer trusted: cross-certificates go with it.
  const successors = new Set<string>(
    (await tx.authorities.all()).filter((a) => gone.has(a.predecessor ?? "")).map((a) => a.id),
  );
  const remaining = (anchors: readonly Anchor[]): Anchor[] =>
    anchors
      .filter((anchor) => !gone.has(anchor.authorityId))
      .map((anchor) =>
        successors.has(anchor.authorityId) ? { ...anchor, crossCertificatePem: null } : anchor,
      );
  for (const request of await tx.signingRequests.all())
    if (gone.has(request.authorityId)) await tx.signingRequests.remove(request.id);
  for (const authority of concerned) {
    await tx.authorities.put(
      edit.deny
        ? { ...authority, status: "abandoned" }
        : { ...authority, status: "retired", retiredAtMs: env.clock.nowMs() },
    );
  }
  await publishTrust(tx, env, {
    anchors: remaining,
    deny: edit.deny ? concerned.flatMap(denialsOf) : [],
  });
}

/** A CA that was not made here is not denied for good: it may be taken another time. */
function denialsOf(authority: Authority): Denial[] {
  if (authority.signing !== "generated") return [];
  const reason = `${authority.id} was rolled back`;
  return [authority.fingerprint, authority.crossFingerprint].flatMap((fingerprint) =>
    fingerprint === null ? [] : [{ kind: "certificate", fingerprint, reason }],
  );
}

async function forgetAll(tx: StoreTransaction): Promise<void> {
  for (const credential of await tx.credentials.all()) {
    const recorded = forgetSuperseded(credential);
    if (recorded.length === credential.recorded.length) continue;
    await tx.credentials.putRecorded({
      id: credential.id,
      lastSequence: credential.lastSequence,
      recorded,
    });
    await tx.topology.raiseDocumentVersion(credential.hostId);
  }
}

/** Makes the earlier authorities current again and wants what each credential was before. */
async function presentEarlier(
  tx: StoreTransaction,
  rollout: Rollout,
  { credentials: only, trust }: Extract<Edit, { do: "return" }>,
): Promise<void> {
  if (trust !== undefined) await trustMembers(tx, trust);
  const earlierOf = new Map(rollout.successions.map(({ from, to }) => [to, from]));
  for (const { from } of rollout.successions) await makeCurrent(tx, from, "next");
  const before = Object.assign({}, ...rollout.done.map((applied) => applied.before)) as Before;
  const { denied } = await currentTrust(tx);
  for (const credential of await tx.credentials.all()) {
    if (only?.includes(credential.id) === false) continue;
    const desired = await earlierDesired(tx, denied, credential, before[credential.id], earlierOf);
    if (desired !== undefined) await tx.credentials.put({ ...credential, desired });
  }
}

/** What was revoked in the meantime is not presented again: then a new one from its authority is. */
async function earlierDesired(
  view: StoreView,
  denied: readonly Denial[],
  credential: Credential,
  before: CredentialBefore | undefined,
  earlierOf: ReadonlyMap<string, Credential["desired"]["authorityId"]>,
): Promise<DesiredCredential | undefined> {
  if (before === undefined) {
    const earlier = earlierOf.get(credential.desired.authorityId);
    // Created after the new authority became current: it never had a certificate of the earlier one.
    return earlier && wantNewer(credential, earlier);
  }
  const kept = { ...before.desired, maxSequence: before.lastSequence };
  for (const key of credential.recorded)
    if (fits(key, kept) && (await isDenied(view, denied, key)))
      return wantNewer(credential, kept.authorityId);
  return kept;
}
