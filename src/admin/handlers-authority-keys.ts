import { encodePem } from "../pki/index.ts";
import { advanceRollout, relayedJob, shareKeys, unshareKeys } from "../control/index.ts";
import type { Handlers } from "./handlers.ts";
import { ownReport } from "./own-report.ts";
import { announceSealingKey } from "./sealing-key.ts";
import { keepSharedKeys } from "./shared-keys.ts";

export const authorityKeyHandlers: Handlers<
  "shareKeys" | "unshareKeys" | "unlockKeys" | "getAdminState" | "signLeaf" | "advanceForLeader"
> = {
  async shareKeys({ env }, { params, actor }) {
    return { authorities: await shareKeys(env, { hostId: params.id, actor }) };
  },
  async unshareKeys({ env }, { params, actor }) {
    return { authorities: await unshareKeys(env, { hostId: params.id, actor }) };
  },
  async unlockKeys(state, { body, actor }) {
    const { env, hostId } = state;
    const wereLocked = await env.authorityKeys.files.unlock(body.passphrase);
    if (wereLocked) {
      const entry = { actor, action: "authority.unlock", subject: hostId, detail: {} };
      await env.store.write(entry, async () => {});
      await announceSealingKey(state);
      // What was shared with this host while it was locked.
      await keepSharedKeys(state);
      await state.reports.lookAtSelf(state);
    }
    const authorities = await env.store.read((view) => view.authorities.all());
    const ids = authorities.map(({ id }) => id);
    return {
      hostId,
      wereLocked,
      authorities: ids.filter((id) => state.reports.signersOf(id).includes(hostId)),
    };
  },
  async getAdminState(state) {
    const { signs, findings } = await ownReport(state);
    return { nowMs: state.env.clock.machineMs(), signs: [...signs], findings: [...findings] };
  },
  async signLeaf({ env }, { body }) {
    const { der } = await env.authorityKeys.issueHeld(await relayedJob(env, body));
    return { certificatePem: encodePem("CERTIFICATE", der) };
  },
  async advanceForLeader({ env }, { params, body }) {
    // The transaction refuses the step unless the token is the leader's.
    await advanceRollout(env, body, params.id, null);
    return null;
  },
};
