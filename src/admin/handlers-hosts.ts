import { credentialId } from "../domain/index.ts";
import { requireHost, setHostRole } from "../control/index.ts";
import type { Handlers } from "./handlers.ts";
import { refuseEmbedded } from "./new-admin.ts";

export const hostHandlers: Handlers<"getHostRole" | "setHostRole"> = {
  async getHostRole({ env, reports, hostId }, { params }) {
    const { host, last } = await env.store.read(async (view) => ({
      host: await requireHost(view, params.id),
      last: await view.observations.host(params.id),
    }));
    const { isAdmin, id } = host.nodeManager;
    const isAdminNow = last?.admin?.isAdmin ?? null;
    const own = last?.credentials.find((each) => each.id === credentialId(id, "management"));
    const serves = host.id === hostId || reports.answers(host.id);
    return {
      isAdmin,
      isAdminNow,
      isDone: isAdminNow === isAdmin && (!isAdmin || serves),
      problem: last?.admin?.problem ?? own?.lastError ?? null,
    };
  },
  async setHostRole(state, { params, body, actor }) {
    if (body.isAdmin) refuseEmbedded(state);
    const authorities = await setHostRole(state.env, { ...body, id: params.id, actor });
    return { authorities };
  },
};
