import type { IncomingMessage, ServerResponse } from "node:http";
import type { Server, ServerOptions } from "node:https";
import type { Socket } from "node:net";
import type { SecureContext, TLSSocket } from "node:tls";
import type { AuthorityUsage } from "../domain/index.ts";
import type { ConnectionEpochs } from "./connection-epochs.ts";
import { basisOf, contextOptions, type Identity } from "./identity.ts";
import type { LoadedTrust } from "./loaded-trust.ts";
import { probeProtocol, type ProbeContexts } from "./probe.ts";

/** What a listener presents and trusts at this moment. */
export interface ListenerState {
  readonly identity: Identity;
  readonly trust: LoadedTrust;
  readonly probes: ProbeContexts;
}

export interface ListenerRules {
  /** Usage whose CAs callers' certificates are verified with; null: none is asked for. */
  readonly verify: "management" | null;
  /** Answers a probe connection. */
  onProbe(socket: TLSSocket): void;
}

/**
 * Options of an HTTPS server that shows `state`. A caller without a certificate, or with one that
 * does not verify, still connects: each route decides what it needs, from `socket.authorized` and
 * `readPeer`. The server name of a probe selects the probe's chain.
 */
export function listenerOptions(state: () => ListenerState, rules: ListenerRules): ServerOptions {
  const { identity, trust } = state();
  return {
    ...contextOptions(identity, trust, rules.verify satisfies AuthorityUsage | null),
    ALPNProtocols: ["http/1.1", probeProtocol],
    requestCert: rules.verify !== null,
    rejectUnauthorized: false,
    SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) => {
      const now = state();
      try {
        done(null, now.probes.byServerName(name, now.trust, rules.verify));
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  };
}

/** From now on new connections are shown the present state; open ones stay. */
export function reloadListener(
  server: Server,
  state: ListenerState,
  rules: Pick<ListenerRules, "verify">,
): void {
  const options = contextOptions(state.identity, state.trust, rules.verify);
  const basis = basisOf(options);
  if (shown.get(server) === basis) return;
  server.setSecureContext(options);
  shown.set(server, basis);
}

/** What each listener was last made to show. */
const shown = new WeakMap<Server, string>();

/**
 * Diverts probe connections to their answer, refuses resumed sessions where callers are verified
 * (a resumed session repeats an old verdict), and counts every other connection by its epoch.
 */
export function guardConnections(
  server: Server,
  state: () => ListenerState,
  rules: ListenerRules,
  epochs: ConnectionEpochs,
): void {
  const begun = rememberEpochs(server, state);
  const answerHttp = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
  server.removeAllListeners("secureConnection");
  server.on("secureConnection", (socket: TLSSocket) => {
    if (rules.verify !== null && socket.isSessionReused()) return void socket.destroy();
    if (socket.alpnProtocol === probeProtocol) return rules.onProbe(socket);
    epochs.add(socket, begun(socket));
    for (const answer of answerHttp) answer.call(server, socket);
  });
  server.prependListener("request", (request: IncomingMessage, response: ServerResponse) =>
    epochs.request(request, response),
  );
}

/**
 * Remembers the epoch at which each connection began its handshake: the certificates of that moment
 * are the ones it shows and verifies with, however long the handshake takes.
 */
function rememberEpochs(server: Server, state: () => ListenerState): (socket: Socket) => number {
  const epochs = new Map<string, number>();
  // Several that this side dialled lead to one port.
  const keyOf = (socket: Socket): string =>
    `${socket.remoteAddress} ${socket.remotePort} ${socket.localPort}`;
  server.on("connection", (socket: Socket) => {
    const key = keyOf(socket);
    epochs.set(key, state().trust.epoch);
    socket.once("close", () => epochs.delete(key));
  });
  return (socket) => epochs.get(keyOf(socket)) ?? 0;
}
