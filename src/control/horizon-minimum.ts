import type { CredentialId } from "../kit/index.ts";
import { fits, maySign, wantNewer, type Credential } from "../domain/index.ts";
import { arrangeEvidence } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { Leadership } from "./leadership.ts";
import { isRenewedByPlan } from "./planned-renewals.ts";
import type { StoreView } from "./ports.ts";
import { readSnapshot } from "./snapshot.ts";

/**
 * Wants a new certificate for every credential that would not last the policy's minimum without the
 * control plane, and whose slot has not come: as after the minimum was raised. Where the slot is
 * over its Node Manager tries already; where the CA itself ends too soon nothing is gained. Returns
 * the credentials. Throws `not-leader`.
 */
export async function renewShort(
  env: ControlEnvironment,
  { lease, fencingToken }: Leadership,
): Promise<CredentialId[]> {
  const found = await env.store.read((view) => tooShort(view, env));
  if (found.length === 0) return [];
  const ids = found.map(({ id }) => id);
  const entry = {
    actor: "system:leader",
    action: "certificate.renew-short",
    subject: "domain",
    detail: { credentials: ids.length },
  };
  return env.store.write(entry, async (tx) => {
    await tx.leases.require(lease, fencingToken);
    const still = await tooShort(tx, env);
    for (const credential of still)
      await tx.credentials.put({ ...credential, desired: wantNewer(credential) });
    return still.map(({ id }) => id);
  });
}

async function tooShort(view: StoreView, env: ControlEnvironment): Promise<Credential[]> {
  const { snapshot, credentialOf } = arrangeEvidence(await readSnapshot(view, env, 0));
  const { nowMs } = snapshot;
  const { horizonMinSeconds, renewAfterShare, renewalSlotShare } = env.policy;
  const neededMs = nowMs + horizonMinSeconds * 1000;
  const able = new Set<string>(
    snapshot.authorities
      .filter((a) => maySign(a.status, "renewal-or-rollback") && a.notAfterMs >= neededMs)
      .map(({ id }) => id),
  );
  return snapshot.credentials.filter((credential) => {
    const { id, desired, lastSequence, recorded } = credential;
    if (isRenewedByPlan(snapshot.topology, credential)) return false;
    const installed = credentialOf.get(id)?.installed ?? null;
    const key = recorded.find(({ serial }) => serial === installed?.serial);
    if (installed === null || key === undefined || installed.notAfterMs >= neededMs) return false;
    // Something newer is on its way, or something older is to come back.
    if (installed.sequence !== lastSequence || !fits(key, desired)) return false;
    const lifeMs = key.notAfterMs - key.notBeforeMs;
    const slotEndsMs = key.notBeforeMs + lifeMs * (renewAfterShare + renewalSlotShare);
    return nowMs < slotEndsMs && able.has(desired.authorityId);
  });
}
