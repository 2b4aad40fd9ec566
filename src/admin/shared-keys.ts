import { describeError, type AuthorityId } from "../kit/index.ts";
import type { Authority } from "../domain/index.ts";
import { recordHolder } from "../control/index.ts";
import type { AdminState } from "./admin-state.ts";
import { ensureSealingKey } from "./sealing-key.ts";

type Home = Pick<AdminState, "env" | "layout" | "hostId" | "log">;

/**
 * Makes the key files of this home what the store says: keys that were shared with this host are
 * unsealed into it, those that it is not to hold any more are deleted.
 */
export async function keepSharedKeys(home: Home): Promise<void> {
  const { env, hostId } = home;
  const isLocked = await env.authorityKeys.files.isLocked();
  const { authorities, sealed } = await env.store.read(async (view) => ({
    authorities: await view.authorities.all(),
    sealed: await view.sealedKeys.ofHost(hostId),
  }));
  const sealedOf = new Map(sealed.map((key) => [key.authorityId, key.sealed]));
  const unrecorded: AuthorityId[] = [];
  const deleted: AuthorityId[] = [];
  for (const authority of authorities) {
    const { id, holders } = authority;
    const key = await env.authorityKeys.keyState(authority);
    const isHere = key === "right";
    if (holders.length === 0) {
      if (isHere) unrecorded.push(id);
    } else if (!holders.includes(hostId)) {
      if (await env.authorityKeys.remove(id)) deleted.push(id);
    } else if (authority.token !== undefined && key === "missing") {
      await takeFromToken(home, authority);
    } else if (!isHere && key !== "another" && !isLocked) {
      // What is another CA's is not written over: it may be the only copy.
      await openSealed(home, authority, sealedOf.get(id));
    }
  }
  if (deleted.length > 0) await recordDeleted(home, deleted);
  if (unrecorded.length > 0) await recordHolder(env, hostId, unrecorded);
}

/** Whoever is a holder and reaches the token signs with it. */
async function takeFromToken({ env, log }: Home, authority: Authority): Promise<void> {
  try {
    if (await env.authorityKeys.takeFromToken(authority))
      log.info({ authority: authority.id }, "its key is in the token of this host");
  } catch (error) {
    log.warn({ authority: authority.id, error: describeError(error) }, "the token is not reached");
  }
}

async function recordDeleted({ env, hostId, log }: Home, ids: AuthorityId[]): Promise<void> {
  const detail = { authorities: ids.join(" ") };
  log.info(detail, "keys are deleted that others hold");
  const entry = {
    actor: `host:${hostId}`,
    action: "authority.copy-deleted",
    subject: hostId,
    detail,
  };
  await env.store.write(entry, async () => {});
}

async function openSealed(
  { env, layout, log }: Home,
  authority: Authority,
  sealed: string | undefined,
): Promise<void> {
  if (sealed === undefined) return;
  try {
    const { privateKey } = await ensureSealingKey(layout, env.authorityKeys.files);
    await env.authorityKeys.open(authority, sealed, privateKey);
    log.info({ authority: authority.id }, "its key was shared with this host");
  } catch (error) {
    // The others are taken all the same; a finding names what cannot sign.
    log.warn({ authority: authority.id, error: describeError(error) }, "the key cannot be taken");
  }
}
