import { DomainError } from "../kit/index.ts";
import { maySign } from "../domain/index.ts";
import { keyPairOf, openPkcs12 } from "../keys/index.ts";
import { bytesEqual, encodePem } from "../pki/index.ts";
import {
  advanceRollout,
  authorityChain,
  keyProofText,
  recordImport,
  relayedJob,
  destroyableKey,
  recordKeyDestroyed,
  unshareKeys,
} from "../control/index.ts";
import type { Handlers } from "./handlers.ts";
import { moveKeys, shareWith } from "./move-keys.ts";
import { ownReport } from "./own-report.ts";
import { announceSealingKey } from "./sealing-key.ts";
import { keepSharedKeys } from "./shared-keys.ts";

export const authorityKeyHandlers: Handlers<
  | "shareKeys"
  | "unshareKeys"
  | "moveKeys"
  | "unlockKeys"
  | "importKey"
  | "getAdminState"
  | "signLeaf"
  | "proveKey"
  | "destroyKey"
  | "advanceForLeader"
> = {
  async shareKeys(state, { params, actor }) {
    return { authorities: await shareWith(state, params.id, actor) };
  },
  async unshareKeys({ env }, { params, actor }) {
    return { authorities: await unshareKeys(env, { hostId: params.id, actor }) };
  },
  moveKeys: (state, { params, body, actor }) =>
    moveKeys(state, { to: params.id, from: body.from ?? null, actor }),
  async unlockKeys(state, { body, actor }) {
    const { env, hostId } = state;
    const wereLocked = await env.authorityKeys.unlock(body.passphrase);
    if (wereLocked) {
      const entry = { actor, action: "authority.unlock", subject: hostId, detail: {} };
      await env.store.write(entry, async () => {});
      if (!(await env.authorityKeys.files.isLocked())) await announceSealingKey(state);
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
  async importKey(state, { body, actor }) {
    const { env, hostId } = state;
    const bytes = Uint8Array.from(Buffer.from(body.pkcs12, "base64"));
    const { privateKey } = openPkcs12(bytes, body.passphrase, "the file");
    const { spki } = keyPairOf(privateKey);
    const all = await env.store.read((view) => view.authorities.all());
    const authority = all.find(
      (each) =>
        each.token === undefined &&
        maySign(each.status, "probe") &&
        bytesEqual(authorityChain(each)[0].spki, spki),
    );
    if (authority === undefined)
      throw new DomainError(
        "not-found",
        "the key is not that of a CA that signs for this domain: `gatehouse authorities` lists them",
      );
    await env.authorityKeys.keep(authority.id, privateKey);
    await recordImport(env, { hostId, id: authority.id, actor });
    await state.reports.lookAtSelf(state);
    const open = await env.authorityKeys.files.unprotected();
    return { hostId, authorityId: authority.id, isEncrypted: open.length === 0 };
  },
  async getAdminState(state) {
    const { signs, findings } = await ownReport(state);
    return { nowMs: state.env.clock.machineMs(), signs: [...signs], findings: [...findings] };
  },
  async signLeaf({ env }, { body }) {
    const { der } = await env.authorityKeys.issueHeld(await relayedJob(env, body));
    return { certificatePem: encodePem("CERTIFICATE", der) };
  },
  async proveKey({ env }, { body }) {
    const { authorityId, challenge } = body;
    const text = keyProofText(authorityId, challenge);
    const authority = await env.store.read((view) => view.authorities.get(authorityId));
    const inToken = authority && (await env.authorityKeys.signInToken(authority, text));
    const signature = inToken ?? (await env.authorityKeys.sign(authorityId, text));
    return { signature: Buffer.from(signature).toString("base64") };
  },
  async destroyKey(state, { params, actor }) {
    const { env } = state;
    const authority = await env.store.read((view) => destroyableKey(view, params.id));
    const wasThere = await env.authorityKeys.destroyInToken(authority);
    await recordKeyDestroyed(env, { id: params.id, wasThere, actor });
    return { wasThere };
  },
  async advanceForLeader({ env }, { params, body }) {
    // The transaction refuses the step unless the token is the leader's.
    await advanceRollout(env, body, params.id, null);
    return null;
  },
};
