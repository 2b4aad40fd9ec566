import type { FastifyRequest } from "fastify";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { DomainError, type HostId, type ProcessId, type RelyingPartyId } from "../kit/index.ts";
import { parseSpiffeId, type KnownProcess, type PeerCertificate } from "../domain/index.ts";
import type { Access } from "../contract/index.ts";
import { findSession, knownNodeManager, type UserRole } from "../control/index.ts";
import { judgePeer, readPeer, serialOfPeer } from "../transport/index.ts";
import type { AdminState } from "./admin-state.ts";

/** Who calls, as far as the route asks for it. */
export type Caller =
  | { readonly kind: "anonymous" }
  | {
      readonly kind: "user";
      readonly name: string;
      readonly role: UserRole;
      readonly token: string;
    }
  | { readonly kind: "relying-party"; readonly id: RelyingPartyId }
  | {
      readonly kind: "agent";
      readonly hostId: HostId;
      readonly process: ProcessId;
      readonly serial: string;
      readonly socket: TLSSocket;
    };

/** What it takes to know who calls. */
type AccessState = Pick<AdminState, "env" | "trust" | "hostId">;

/** Finds out who calls a route, and refuses who may not. Runs for every request, not once per connection. */
export async function admitCaller(
  state: AccessState,
  access: Access,
  request: FastifyRequest,
): Promise<Caller> {
  switch (access) {
    case "public":
      return { kind: "anonymous" };
    case "agent":
      return admitProcess(state, request.raw.socket as TLSSocket, (peer) =>
        knownCaller(state, peer),
      );
    case "anm":
      return admitProcess(
        state,
        request.raw.socket as TLSSocket,
        async () => state.trust.document.admins,
      );
    case "relying-party":
    case "operator":
    case "administrator":
      return admitBearer(state, access, request);
  }
}

async function admitBearer(
  state: AccessState,
  access: "relying-party" | "operator" | "administrator",
  request: FastifyRequest,
): Promise<Caller> {
  const [, token] = /^Bearer ([0-9a-f]{64})$/.exec(request.headers.authorization ?? "") ?? [];
  const session = token === undefined ? undefined : await findSession(state.env, token);
  if (token === undefined || session === undefined)
    throw new DomainError(
      "unauthenticated",
      "this needs a login: send the token of a session as `Authorization: Bearer`",
    );
  const { holder } = session;
  if (holder.kind === "relying-party") {
    const parties = await state.env.store.read((view) => view.topology.relyingParties());
    if (access === "relying-party" && parties.some((party) => party.id === holder.id))
      return holder;
    throw new DomainError(
      "forbidden",
      "a relying party may read and report its own trust, and nothing else",
    );
  }
  if (
    access === "relying-party" ||
    (access === "administrator" && holder.role !== "administrator")
  ) {
    throw new DomainError(
      "forbidden",
      `user ${holder.name} has the role ${holder.role}, and this needs ${access}`,
    );
  }
  return { ...holder, token };
}

interface ShownPeer {
  readonly peer: PeerCertificate | null;
  /** Serial number of its certificate, lower-case hexadecimal. */
  readonly serial: string;
}

const shownPeers = new WeakMap<TLSSocket, ShownPeer>();

/** What a connection's peer showed in its handshake; read once, judged again at every request. */
function shownBy(socket: TLSSocket): ShownPeer {
  const known = shownPeers.get(socket);
  if (known !== undefined) return known;
  const shown = { peer: readPeer(socket), serial: serialOfPeer(socket) ?? "" };
  shownPeers.set(socket, shown);
  return shown;
}

/** True if what this connection's peer showed is on the deny list now. */
export function isDenied(state: AdminState, socket: Socket): boolean {
  const { peer } = shownBy(socket as TLSSocket);
  if (peer === null) return false;
  return state.trust.document.denied.some(({ kind, fingerprint }) =>
    kind === "key"
      ? fingerprint === peer.keyFingerprint
      : [peer.certificateFingerprint, ...peer.issuerFingerprints].includes(fingerprint),
  );
}

/** The Node Manager that the peer says it is, with the keys recorded for it in the store. */
async function knownCaller(state: AccessState, peer: PeerCertificate): Promise<KnownProcess[]> {
  const hostId = peer.uris.map(parseSpiffeId).find((id) => id !== undefined)?.subject as
    | HostId
    | undefined;
  return state.env.store.read(async (view) => {
    const host = hostId === undefined ? undefined : await view.topology.host(hostId);
    if (host?.status === "quarantined")
      throw new DomainError(
        "quarantined",
        `host ${host.name} waits for an administrator's approval`,
      );
    return host === undefined ? [] : knownNodeManager(view, host);
  });
}

async function admitProcess(
  state: AccessState,
  socket: TLSSocket,
  knownTo: (peer: PeerCertificate) => Promise<readonly KnownProcess[]>,
): Promise<Caller> {
  const { peer, serial } = shownBy(socket);
  if (peer === null)
    throw new DomainError("unauthenticated", "this needs the client certificate of a Node Manager");
  const known = await knownTo(peer);
  const verdict = judgePeer(peer, state.trust, {
    known,
    nowMs: state.env.clock.nowMs(),
    self: { role: "anm", hostId: state.hostId },
    peerIs: "client",
    expected: null,
    probe: false,
  });
  if (verdict.ok)
    return {
      kind: "agent",
      hostId: verdict.process.hostId,
      process: verdict.process.id,
      serial,
      socket,
    };
  const code = verdict.refusal === "denied" ? "denied" : "forbidden";
  throw new DomainError(code, `the Node Manager is refused: ${verdict.text}`, {
    context: { refusal: verdict.refusal },
  });
}
