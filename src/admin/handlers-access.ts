import { assert } from "../kit/index.ts";
import { trustLinksPerAnswerMax } from "../contract/index.ts";
import { encodePem } from "../pki/index.ts";
import {
  createJoinToken,
  createRelyingParty,
  deleteRelyingParty,
  isUsedElsewhere,
  joinHost,
  logIn,
  logInCutOff,
  logOut,
  recordRelyingParty,
  returnHost,
  type Admission,
  type AwaitedAdmission,
} from "../control/index.ts";
import type { Handlers } from "./handlers.ts";
import { certificateOf, submissionView } from "./handlers-signing.ts";
import { refuseLostKeys } from "./lost-keys.ts";
import { giveNonce, spendNonce } from "./nonces.ts";
import { refuseEmbedded, secretsFor } from "./new-admin.ts";
import { verificationTargets } from "./verification-targets.ts";

type Names =
  | "getTrust"
  | "logIn"
  | "logOut"
  | "createJoinToken"
  | "joinHost"
  | "getReturnNonce"
  | "returnHost"
  | "createRelyingParty"
  | "deleteRelyingParty"
  | "getVerificationTargets"
  | "reportRelyingParty";

export const accessHandlers: Handlers<Names> = {
  async getTrust(state, { query }) {
    await state.refreshTrust();
    const { env } = state;
    const links = await env.store.read((view) =>
      view.trust.after(query.after, trustLinksPerAnswerMax),
    );
    return { links: links.map((link) => link.envelope) };
  },
  async logIn({ env, cutOff, log }, { body }) {
    if (cutOff === null) return logIn(env, body);
    log.warn(
      { user: body.username },
      "a login that the audit log does not have: the store is away",
    );
    return logInCutOff(env, cutOff, body);
  },
  async logOut({ env }, { caller }) {
    assert(caller.kind === "user", "only users have sessions to end");
    await logOut(env, caller.token);
    return null;
  },
  async createJoinToken({ env }, { body, actor }) {
    const { text, expiresAtMs } = await createJoinToken(env, { ...body, actor });
    return { token: text, expiresAtMs };
  },
  async joinHost(state, { body, actor }) {
    await refuseLostKeys(state, ["management"]);
    const { admin, certificates = [], ...request } = body;
    const wish = { ...request, certificates: certificates.map(certificateOf) };
    if (admin === undefined) {
      const admission = await joinHost(state.env, wish);
      if ("awaits" in admission) return awaitedAnswer(admission);
      return { ...admissionAnswer(admission), admin: null };
    }
    refuseEmbedded(state);
    const { sealingKey } = admin;
    const admission = await joinHost(state.env, { ...wish, isAdmin: true, sealingKey });
    if ("awaits" in admission) return awaitedAnswer(admission);
    await state.refreshTrust();
    const secrets = await secretsFor(state, admission.host, { sealingKey, actor });
    return { ...admissionAnswer(admission), admin: secrets };
  },
  async getReturnNonce(state) {
    return { nonce: giveNonce(state) };
  },
  async returnHost(state, { body }) {
    spendNonce(state, body.nonce);
    const { hostId, bootId = null } = body;
    const last = await state.env.store.read((view) => view.observations.host(hostId));
    const isInUse =
      state.presence.isUsedByAnother(hostId, bootId) ||
      isUsedElsewhere(state.env, last, { bootId, at: state.processId });
    const admission = await returnHost(state.env, body, isInUse);
    return "awaits" in admission ? awaitedAnswer(admission) : admissionAnswer(admission);
  },
  createRelyingParty: ({ env }, { body, actor }) =>
    createRelyingParty(env, { name: body.name, actor }),
  async deleteRelyingParty({ env }, { params, actor }) {
    await deleteRelyingParty(env, { id: params.id, actor });
    return null;
  },
  async getVerificationTargets({ env, trust }, { caller }) {
    assert(caller.kind === "relying-party", "the route admits relying parties only");
    return { id: caller.id, ...(await env.store.read((view) => verificationTargets(view, trust))) };
  },
  async reportRelyingParty({ env }, { body, caller }) {
    assert(caller.kind === "relying-party", "the route admits relying parties only");
    await recordRelyingParty(env, caller.id, body);
    return null;
  },
};

function awaitedAnswer({ host, awaits, submissions }: AwaitedAdmission) {
  return {
    hostId: host.id,
    nodeManagerId: host.nodeManager.id,
    awaits: { ...awaits, alternativeNames: [...awaits.alternativeNames] },
    submissions: submissions.map(submissionView),
  };
}

function admissionAnswer(admission: Admission) {
  const { host, der, authorityId, sequence, renewFromMs, renewUntilMs, hostDocument, trust } =
    admission;
  return {
    hostId: host.id,
    nodeManagerId: host.nodeManager.id,
    certificatePem: encodePem("CERTIFICATE", der),
    authorityId,
    sequence,
    renewFromMs,
    renewUntilMs,
    hostDocument,
    trust: [...trust],
  };
}
