import { editInstance, renameGroup, setTag } from "../control/index.ts";
import type { Handlers } from "./handlers.ts";

export const editHandlers: Handlers<"editInstance" | "renameGroup" | "setTag" | "deleteTag"> = {
  async editInstance({ env }, { params, body, actor }) {
    await editInstance(env, { ...body, id: params.id, actor });
    return null;
  },
  async renameGroup({ env }, { params, body, actor }) {
    await renameGroup(env, { id: params.id, name: body.name, actor });
    return null;
  },
  async setTag({ env }, { params, body, actor }) {
    await setTag(env, { ...params, value: body.value, actor });
    return null;
  },
  async deleteTag({ env }, { params, actor }) {
    await setTag(env, { ...params, value: null, actor });
    return null;
  },
};
