import { createServer, type Server } from "node:https";
import { DomainError } from "../kit/index.ts";
import {
  answerProbe,
  ConnectionEpochs,
  divertDialled,
  guardConnections,
  judgeProbeClient,
  listenerOptions,
  reloadListener,
} from "../transport/index.ts";
import { nodeMetrics } from "./metrics.ts";
import type { NodeState } from "./node-state.ts";

/**
 * The port of a plain Node Manager: health, readiness, metrics, the answers to probes, and the
 * connections that Admin Node Managers dial.
 */
export class NodeListener {
  readonly epochs = new ConnectionEpochs(() => performance.now());
  readonly #state: NodeState;
  readonly #server: Server;
  #shown = "";

  constructor(state: NodeState) {
    this.#state = state;
    const rules = {
      verify: "management",
      onProbe: (socket: Parameters<typeof answerProbe>[0]) =>
        void answerProbe(socket, state.processId, state.trust, (peer) =>
          judgeProbeClient(peer, state.trust, state.self, state.trust.document.admins, Date.now()),
        ),
    } as const;
    this.#server = createServer(
      listenerOptions(() => state, rules),
      (request, response) => {
        const send = (status: number, type: string, text: string): void =>
          void response.writeHead(status, { "content-type": type }).end(text);
        if (request.method !== "GET") send(405, "text/plain", "only GET\n");
        else if (request.url === "/health") send(200, "application/json", '{"status":"ok"}');
        else if (request.url === "/ready")
          send(
            state.isConnected ? 200 : 503,
            "application/json",
            JSON.stringify({ status: state.isConnected ? "ready" : "waiting" }),
          );
        else if (request.url === "/metrics")
          void nodeMetrics(state).then(
            ({ contentType, text }) => send(200, contentType, text),
            () => send(500, "text/plain", "failed\n"),
          );
        else send(404, "text/plain", "there is no such path\n");
      },
    );
    guardConnections(this.#server, () => state, rules, this.epochs);
    divertDialled(this.#server, (id, socket) => state.reach.pool.offer(id, socket));
  }

  /** Throws `port-in-use`. */
  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (cause: NodeJS.ErrnoException) => {
        if (cause.code !== "EADDRINUSE") return reject(cause);
        reject(
          new DomainError(
            "port-in-use",
            `port ${port} is taken by another process: stop that, or join the host again with another --port`,
            { cause },
          ),
        );
      });
      this.#server.listen(port, "0.0.0.0", resolve);
    });
  }

  /** Shows the present identity and trust to new connections; call it every second or so. */
  refresh(): void {
    const { identity, trust } = this.#state;
    const now = `${identity.serial} ${trust.epoch}`;
    if (now !== this.#shown) {
      reloadListener(this.#server, this.#state, { verify: "management" });
      this.epochs.closeBefore(trust.closeBefore);
      this.#shown = now;
    }
    this.epochs.sweep();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
    this.#state.reach.pool.close();
  }
}
