import { DomainError, type AuthorityId } from "../kit/index.ts";
import { isServiceUsage, type Authority } from "../domain/index.ts";
import { changesTrust, isOpen } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { anchorOf, publishTrust } from "./publish-trust.ts";

const dayMs = 86_400_000;
const restorableDays = 7;

interface Request {
  readonly id: AuthorityId;
  readonly actor: string;
}

/**
 * Trusts a retired CA again, for callers who were forgotten when it was retired: its root is an
 * anchor, and its successor's cross-certificate is shown to those who know only the old root. It
 * never signs again, and stays until `retireAuthority`. Throws `not-found`; `conflict` for one that
 * is not retired, or was more than 7 days ago; `not-supported` for that of a service; `rollout-active` while a rollout changes trust.
 */
export async function restoreAuthority(env: ControlEnvironment, request: Request): Promise<void> {
  await env.store.write(entryOf(request, "authority.restore"), async (tx) => {
    const authority = await requireAuthority(tx, request.id);
    if (isServiceUsage(authority.usage))
      throw new DomainError(
        "not-supported",
        `${authority.id} was the CA of a service, whose members trust what a plan gives them: give those who still rely on it the new CA`,
      );
    if (authority.status !== "retired")
      throw new DomainError(
        "conflict",
        `${authority.id} is ${authority.status}, and only a retired CA can be restored: \`gatehouse authorities\` lists them`,
      );
    if (env.clock.nowMs() - (authority.retiredAtMs ?? 0) > restorableDays * dayMs)
      throw new DomainError(
        "conflict",
        `${authority.id} was retired more than ${restorableDays} days ago and cannot be restored: give those who still rely on it the new CA`,
      );
    await refuseDuringRollout(tx);
    await tx.authorities.put({ ...authority, status: "restored" });
    const successor = await successorOf(tx, authority.id);
    await publishTrust(tx, env, {
      anchors: (anchors) => [
        ...anchors.map((anchor) =>
          anchor.authorityId === successor?.id ? anchorOf(successor) : anchor,
        ),
        { ...anchorOf(authority), crossCertificatePem: null },
      ],
    });
  });
}

/**
 * Ends what `restoreAuthority` began. Throws `conflict` for a CA that is not restored, or that a
 * connected host still presents a certificate of; `not-found`, `rollout-active`.
 */
export async function retireAuthority(env: ControlEnvironment, request: Request): Promise<void> {
  await env.store.write(entryOf(request, "authority.retire"), async (tx) => {
    const authority = await requireAuthority(tx, request.id);
    if (authority.status !== "restored")
      throw new DomainError(
        "conflict",
        `${authority.id} is ${authority.status}: only a restored CA is retired by hand, any other by \`gatehouse plan rotate-ca\``,
      );
    await refuseDuringRollout(tx);
    await refuseWhilePresented(tx, env, authority.id);
    await tx.authorities.put({ ...authority, status: "retired" });
    const successor = await successorOf(tx, authority.id);
    await publishTrust(tx, env, {
      anchors: (anchors) =>
        anchors
          .filter((anchor) => anchor.authorityId !== authority.id)
          .map((anchor) =>
            anchor.authorityId === successor?.id
              ? { ...anchor, crossCertificatePem: null }
              : anchor,
          ),
    });
  });
}

function entryOf({ id, actor }: Request, action: string) {
  return { actor, action, subject: id, detail: {} };
}

async function requireAuthority(view: StoreView, id: AuthorityId): Promise<Authority> {
  const found = await view.authorities.get(id);
  if (found !== undefined) return found;
  throw new DomainError(
    "not-found",
    `there is no authority ${id} in this domain: \`gatehouse authorities\` lists them`,
  );
}

/** The CA that was rotated in for this one; rotations that were taken back left others. */
async function successorOf(view: StoreView, id: AuthorityId): Promise<Authority | undefined> {
  return (await view.authorities.all()).find(
    ({ predecessor, status }) => predecessor === id && status === "current",
  );
}

async function refuseDuringRollout(view: StoreView): Promise<void> {
  const open = (await view.rollouts.open()).find(
    (rollout) => isOpen(rollout) && changesTrust(rollout),
  );
  if (open === undefined) return;
  throw new DomainError(
    "rollout-active",
    `rollout ${open.id} (${open.title}) is under way and trust changes one rollout at a time: let it finish, or roll it back`,
  );
}

async function refuseWhilePresented(
  tx: StoreTransaction,
  env: Pick<ControlEnvironment, "clock" | "policy">,
  id: AuthorityId,
): Promise<void> {
  const silentBeforeMs = env.clock.nowMs() - env.policy.silentAfterSeconds * 1000;
  const presenting = (await tx.observations.hosts())
    .filter(({ receivedAtMs }) => receivedAtMs >= silentBeforeMs)
    .flatMap(({ credentials }) => credentials)
    .find(({ installed }) => installed?.authorityId === id);
  if (presenting === undefined) return;
  throw new DomainError(
    "conflict",
    `${presenting.id} still has a certificate of ${id}: wait until it is replaced, \`gatehouse credentials\` shows it`,
  );
}
