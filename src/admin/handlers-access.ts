import { randomBytes } from "node:crypto";
import { assert, DomainError } from "../kit/index.ts";
import { trustLinksPerAnswerMax } from "../contract/index.ts";
import { encodePem } from "../pki/index.ts";
import {
  createJoinToken,
  createRelyingParty,
  deleteRelyingParty,
  joinHost,
  logIn,
  logOut,
  recordRelyingParty,
  returnHost,
  type Admission,
} from "../control/index.ts";
import type { AdminState } from "./admin-state.ts";
import type { Handlers } from "./handlers.ts";

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

const noncesMax = 10_000;

/** Nonces given out and not used yet, oldest first, with the end of their validity (monotonic). */
const nonces = new Map<string, number>();

function giveNonce(state: AdminState): string {
  const nonce = randomBytes(32).toString("hex");
  const [oldest] = nonces.keys();
  if (nonces.size >= noncesMax && oldest !== undefined) nonces.delete(oldest);
  nonces.set(nonce, state.env.clock.monotonicMs() + state.env.policy.nonceLifetimeSeconds * 1000);
  return nonce;
}

function spendNonce(state: AdminState, nonce: string): void {
  const untilMs = nonces.get(nonce);
  nonces.delete(nonce);
  if (untilMs === undefined || untilMs < state.env.clock.monotonicMs())
    throw new DomainError(
      "forbidden",
      "the nonce is not one that was given out, or it is too old: ask for another",
    );
}

export const accessHandlers: Handlers<Names> = {
  async getTrust(state, { query }) {
    await state.refreshTrust();
    const { env } = state;
    const links = await env.store.read((view) =>
      view.trust.after(query.after, trustLinksPerAnswerMax),
    );
    return { links: links.map((link) => link.envelope) };
  },
  logIn: ({ env }, { body }) => logIn(env, body),
  async logOut({ env }, { caller }) {
    assert(caller.kind === "user", "only users have sessions to end");
    await logOut(env, caller.token);
    return null;
  },
  async createJoinToken({ env }, { body, actor }) {
    const { text, expiresAtMs } = await createJoinToken(env, { ...body, actor });
    return { token: text, expiresAtMs };
  },
  async joinHost({ env }, { body }) {
    return admissionAnswer(await joinHost(env, body));
  },
  async getReturnNonce(state) {
    return { nonce: giveNonce(state) };
  },
  async returnHost(state, { body }) {
    spendNonce(state, body.nonce);
    return admissionAnswer(
      await returnHost(state.env, body, state.presence.isConnected(body.hostId)),
    );
  },
  createRelyingParty: ({ env }, { body, actor }) =>
    createRelyingParty(env, { name: body.name, actor }),
  async deleteRelyingParty({ env }, { params, actor }) {
    await deleteRelyingParty(env, { id: params.id, actor });
    return null;
  },
  async getVerificationTargets({ env, trust }, { caller }) {
    assert(caller.kind === "relying-party", "the route admits relying parties only");
    return env.store.read(async (view) => {
      const { hosts, instances, groups } = await view.topology.whole();
      const active = new Map(
        hosts.filter((host) => host.status === "active").map((host) => [host.id, host]),
      );
      const introduced = (await view.authorities.all()).filter(
        (authority) => authority.usage === "traffic" && authority.status === "next",
      );
      const observed = new Map(
        (await view.observations.hosts()).flatMap((host) =>
          host.processes.map((process) => [process.id, process.state]),
        ),
      );
      return {
        id: caller.id,
        epoch: trust.epoch,
        prove: introduced
          .filter((authority) =>
            trust.document.anchors.some((anchor) => anchor.authorityId === authority.id),
          )
          .map((authority) => authority.id),
        listeners: instances
          .filter((instance) => active.has(instance.hostId))
          .filter((instance) => observed.get(instance.id) === "running")
          .map((instance) => ({
            process: instance.id,
            port: instance.servicesPort,
            address: active.get(instance.hostId)?.address ?? "127.0.0.1",
            dnsNames: [
              ...(groups.find((group) => group.id === instance.groupId)?.configuration.dnsNames ??
                []),
            ],
          })),
      };
    });
  },
  async reportRelyingParty({ env }, { body, caller }) {
    assert(caller.kind === "relying-party", "the route admits relying parties only");
    await recordRelyingParty(env, caller.id, body);
    return null;
  },
};

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
