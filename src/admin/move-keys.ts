import { setTimeout as sleep } from "node:timers/promises";
import {
  describeError,
  DomainError,
  isDomainError,
  toHex,
  type AuthorityId,
  type HostId,
} from "../kit/index.ts";
import type { Authority } from "../domain/index.ts";
import {
  endKeyMove,
  findKeyMove,
  keyProofText,
  provesKey,
  shareKeys,
  type KeyMove,
} from "../control/index.ts";
import type { RouteResponse } from "../contract/index.ts";
import type { AdminState } from "./admin-state.ts";

const proofMsMax = 15_000;
const pollMs = 250;

/**
 * Moves the keys of the CAs to the Admin Node Manager of a host: they are shared with it, it proves by
 * a signature that it can use each, and only then the one before is to delete its copies. Called
 * again after an interruption it goes on; until its end the one before keeps its copies. Throws as
 * `findKeyMove` and `shareKeys`, `authority-unavailable` without a proof, `conflict` for another key.
 */
export async function moveKeys(
  state: AdminState,
  {
    to,
    from,
    actor,
  }: { readonly to: HostId; readonly from: HostId | null; readonly actor: string },
): Promise<RouteResponse<"moveKeys">> {
  const { env } = state;
  const move = await env.store.read((view) => findKeyMove(view, { to, from }));
  if (move === null) return { from: null, authorities: [] };
  if (move.authorities.some(({ holders }) => !holders.includes(to)))
    await shareWith(state, to, actor);
  for (const authority of move.authorities) await awaitProof(state, move, authority);
  return { from: move.from.id, authorities: await endKeyMove(env, move, actor) };
}

/** Shares the keys with a host; one in a token when the host has signed with it. Throws as `shareKeys`. */
export function shareWith(
  state: AdminState,
  hostId: HostId,
  actor: string,
): Promise<AuthorityId[]> {
  const provesInToken = async (authority: Authority): Promise<boolean> => {
    const challenge = toHex(state.env.rng.bytes(32));
    try {
      const signature = await signProof(state, hostId, authority, challenge);
      return provesKey(state.env, authority, { challenge, signature });
    } catch (error) {
      state.log.warn(
        { authority: authority.id, error: describeError(error) },
        "no proof of the key",
      );
      return false;
    }
  };
  return shareKeys(state.env, { hostId, actor, provesInToken });
}

/** The new holder unseals what was shared with it in its own time. */
async function awaitProof(state: AdminState, move: KeyMove, authority: Authority): Promise<void> {
  const { env } = state;
  const { from, to } = move;
  const endMs = env.clock.monotonicMs() + proofMsMax;
  for (;;) {
    const challenge = toHex(env.rng.bytes(32));
    try {
      const signature = await signProof(state, to.id, authority, challenge);
      if (provesKey(env, authority, { challenge, signature })) return;
      throw new DomainError(
        "conflict",
        `${to.name} holds another key for ${authority.id} than ${from.name}: two different CAs would sign; remove that of ${to.name} (${authority.id}.key.pem in groups/certs/private of its home) and ask again`,
      );
    } catch (error) {
      if (isDomainError(error, "conflict")) throw error;
      if (env.clock.monotonicMs() > endMs)
        throw new DomainError(
          "authority-unavailable",
          `${to.name} has not signed with ${authority.id} within ${proofMsMax / 1000} s (${describeError(error)}): ${from.name} keeps its copies; mend that and ask again, or \`gatehouse authority unshare ${to.name}\``,
          { cause: error },
        );
    }
    await sleep(pollMs);
  }
}

async function signProof(
  { env, hostId, peers }: AdminState,
  to: HostId,
  { id }: Authority,
  challenge: string,
): Promise<Uint8Array> {
  if (to === hostId) return env.authorityKeys.sign(id, keyProofText(id, challenge));
  return Buffer.from(await peers.proveKey(to, { authorityId: id, challenge }), "base64");
}
