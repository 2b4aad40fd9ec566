import { encodePem } from "../pki/index.ts";
import { advanceRollout, relayedJob, shareKeys, unshareKeys } from "../control/index.ts";
import type { Handlers } from "./handlers.ts";
import { ownReport } from "./own-report.ts";

export const authorityKeyHandlers: Handlers<
  "shareKeys" | "unshareKeys" | "getAdminState" | "signLeaf" | "advanceForLeader"
> = {
  async shareKeys({ env }, { params, actor }) {
    return { authorities: await shareKeys(env, { hostId: params.id, actor }) };
  },
  async unshareKeys({ env }, { params, actor }) {
    return { authorities: await unshareKeys(env, { hostId: params.id, actor }) };
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
