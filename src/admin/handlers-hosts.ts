import { credentialId } from "../domain/index.ts";
import { editHost, requireHost, setHostRole, setKeyPassphrase } from "../control/index.ts";
import type { Handlers } from "./handlers.ts";
import { sealFor } from "./handlers-edits.ts";
import { refuseEmbedded } from "./new-admin.ts";

type Names = "getHostRole" | "editHost" | "setKeyPassphrase" | "setHostRole";

export const hostHandlers: Handlers<Names> = {
  async getHostRole({ env, reports, hostId }, { params }) {
    const { host, last } = await env.store.read(async (view) => ({
      host: await requireHost(view, params.id),
      last: await view.observations.host(params.id),
    }));
    const { isAdmin, id, port } = host.nodeManager;
    const isAdminNow = last?.admin?.isAdmin ?? null;
    const isThere = isAdminNow === isAdmin && last?.port === port;
    const own = last?.credentials.find((each) => each.id === credentialId(id, "management"));
    const serves = host.id === hostId || reports.answers(host.id);
    return {
      isAdmin,
      isAdminNow,
      isDone: isThere && (!isAdmin || serves),
      problem: last?.admin?.problem ?? own?.lastError ?? null,
    };
  },
  async editHost({ env }, { params, body, actor }) {
    await editHost(env, { ...body, id: params.id, actor });
    return null;
  },
  async setKeyPassphrase({ env }, { params, body, actor }) {
    await setKeyPassphrase(env, { hostId: params.id, ...body, actor }, sealFor);
    return null;
  },
  async setHostRole(state, { params, body, actor }) {
    if (body.isAdmin) refuseEmbedded(state);
    const authorities = await setHostRole(state.env, { ...body, id: params.id, actor });
    return { authorities };
  },
};
