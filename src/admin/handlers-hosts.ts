import { credentialId } from "../domain/index.ts";
import { editHost, requireHost, setHostRole } from "../control/index.ts";
import type { Handlers } from "./handlers.ts";
import { refuseEmbedded } from "./new-admin.ts";

export const hostHandlers: Handlers<"getHostRole" | "editHost" | "setHostRole"> = {
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
  async setHostRole(state, { params, body, actor }) {
    if (body.isAdmin) refuseEmbedded(state);
    const authorities = await setHostRole(state.env, { ...body, id: params.id, actor });
    return { authorities };
  },
};
