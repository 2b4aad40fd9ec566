import {
  changeGroupPassphrase,
  editInstance,
  groupPassphraseState,
  renameGroup,
  setTag,
  type SealSecret,
} from "../control/index.ts";
import { seal } from "../keys/index.ts";
import type { Handlers } from "./handlers.ts";

/** Seals a passphrase for a Node Manager. */
export const sealFor: SealSecret = (secret, sealingKey) =>
  seal(secret, Buffer.from(sealingKey, "base64"));

type Names =
  | "changeGroupPassphrase"
  | "getGroupPassphrase"
  | "editInstance"
  | "renameGroup"
  | "setTag"
  | "deleteTag";

export const editHandlers: Handlers<Names> = {
  async changeGroupPassphrase({ env }, { params, body, actor }) {
    await changeGroupPassphrase(env, { id: params.id, ...body, actor }, sealFor);
    return null;
  },
  getGroupPassphrase: ({ env }, { params }) =>
    env.store.read((view) => groupPassphraseState(view, params.id)),
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
