import type { Socket } from "node:net";
import { assert, DomainError, isDomainError, type HostId } from "../kit/index.ts";
import { encodePem } from "../pki/index.ts";
import {
  desiredStateOf,
  isUsedElsewhere,
  issueCredential,
  issueProbe,
  mergeIssuances,
  recordObservation,
  recordSealingKey,
  renewalDeadline,
  requestSignature,
  requireHost,
} from "../control/index.ts";
import type { Caller } from "./access.ts";
import type { AdminState } from "./admin-state.ts";
import type { Handlers } from "./handlers.ts";
import { refuseEmbedded, secretsFor } from "./new-admin.ts";

type Names =
  | "getDesiredState"
  | "reportObservedState"
  | "issueCredential"
  | "requestSignature"
  | "issueProbe"
  | "mergeIssuances"
  | "takeAdminSecrets"
  | "reportRemovedKeys";

function agentOf(caller: Caller): Extract<Caller, { kind: "agent" }> {
  assert(caller.kind === "agent", "the route admits Node Managers only");
  return caller;
}

/** Takes or keeps the place of a host, among all Admin Node Managers. Throws `identity-in-use`. */
async function claimIdentity(
  { env, presence, processId }: AdminState,
  { hostId, bootId, socket }: { hostId: HostId; bootId: string; socket: Socket },
): Promise<void> {
  if (!presence.isPresent(hostId, bootId)) {
    const last = await env.store.read((view) => view.observations.host(hostId));
    if (isUsedElsewhere(env, last, { bootId, at: processId }))
      presence.refuse(hostId, bootId, last);
  }
  presence.claim(hostId, bootId, socket);
}

export const agentHandlers: Handlers<Names> = {
  async getDesiredState(state, { query, caller }) {
    const { hostId, socket } = agentOf(caller);
    await claimIdentity(state, { hostId, socket, bootId: query.bootId });
    // At least once in a wait, so that document versions that do not raise the feed get through.
    const revision = await state.env.store.waitForRevision(query.revision, query.waitMs);
    await state.refreshTrust();
    await state.env.store.read((view) => state.strays.note(view, hostId, query));
    return state.env.store.read((view) =>
      desiredStateOf(view, state.env, { hostId, epoch: query.epoch, revision }),
    );
  },
  async reportObservedState(state, { body, caller }) {
    const { hostId, serial, socket } = agentOf(caller);
    await claimIdentity(state, { hostId, socket, bootId: body.bootId });
    const isOwnHost = hostId === state.hostId;
    await recordObservation(state.env, hostId, body, {
      seenSerial: serial,
      seenBy: state.processId,
      adminProcess: isOwnHost ? state.observation() : null,
      servedSerial: isOwnHost ? state.identity.serial : null,
      proofs: isOwnHost ? state.proofs() : [],
    }).catch((error: unknown) => {
      if (isDomainError(error, "identity-in-use")) state.presence.noteRival(hostId);
      throw error;
    });
    // This host's own credential is seen when this process shows it too.
    return { seenSerial: isOwnHost ? state.identity.serial : serial };
  },
  async issueCredential(state, { body, caller, actor }) {
    const { hostId, socket } = agentOf(caller);
    const request = { ...body, hostId, presentedSerial: body.presentedSerial ?? null };
    const deadlineMs = await renewalDeadline(state.env, request);
    if (deadlineMs !== null) await state.renewals.enter(deadlineMs);
    // It has given up waiting, and asks again: one that nobody takes would be issued twice.
    if (socket.destroyed) throw new DomainError("timeout", `${hostId} has gone before its turn`);
    const { der, ...issued } = await issueCredential(state.env, { ...request, actor });
    return { ...issued, certificatePem: encodePem("CERTIFICATE", der) };
  },
  async requestSignature({ env }, { body, caller, actor }) {
    await requestSignature(env, { hostId: agentOf(caller).hostId, ...body, actor });
    return { revision: await env.store.revision() };
  },
  async takeAdminSecrets(state, { body, caller, actor }) {
    refuseEmbedded(state);
    const { hostId } = agentOf(caller);
    const host = await state.env.store.read((view) => requireHost(view, hostId));
    if (!host.nodeManager.isAdmin)
      throw new DomainError("forbidden", `host ${host.name} is not to be an Admin Node Manager`);
    const { sealingKey } = body;
    await recordSealingKey(state.env, hostId, sealingKey);
    return secretsFor(state, host, { sealingKey, actor });
  },
  async reportRemovedKeys({ env }, { body, caller, actor }) {
    const { hostId } = agentOf(caller);
    const detail = { files: body.files.join(" ") };
    await env.store.write(
      { actor, action: "host.keys-removed", subject: hostId, detail },
      async () => {},
    );
    return null;
  },
  async mergeIssuances({ env }, { body, caller, actor }) {
    const { hostId } = agentOf(caller);
    return { merged: await mergeIssuances(env, { hostId, entries: body.entries, actor }) };
  },
  async issueProbe(state, { body, caller }) {
    const { hostId } = agentOf(caller);
    const { der, authority } = await issueProbe(state.env, { hostId, ...body });
    return {
      certificatePem: encodePem("CERTIFICATE", der),
      chainPem: authority.crossCertificatePem ?? "",
    };
  },
};
