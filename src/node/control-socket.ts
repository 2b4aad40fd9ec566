import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { describeError, DomainError, isDomainError } from "../kit/index.ts";
import { handBack } from "../transport/index.ts";
import { changeEntityStore, type EntityStoreChange } from "./entity-store.ts";
import type { Instances } from "./instances.ts";
import type { NodeState } from "./node-state.ts";
import { nodeMetrics } from "./metrics.ts";
import type { HostRole } from "./role.ts";

interface Parts {
  readonly state: NodeState;
  readonly instances: Instances;
  readonly role: Pick<HostRole, "restartAdmin">;
}

/** Path of the socket by which the host's own command line talks to its Node Manager. */
function controlSocketPath(state: NodeState): string {
  return `${state.layout.run}/node.sock`;
}

/**
 * Serves status, health and metrics on a Unix socket that only the owner can open; it is also the
 * lock on the home folder, since two processes cannot listen on it. Throws `home-locked`.
 */
export async function openControlSocket(parts: Parts, stop: () => void): Promise<Server> {
  const { state } = parts;
  const path = controlSocketPath(state);
  if (await answers(path))
    throw new DomainError(
      "home-locked",
      `a Node Manager is running on ${state.layout.home} already: stop it with \`gatehouse node stop\``,
    );
  await rm(path, { force: true });
  const server = createServer((request, response) => void answer(parts, stop, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
  return server;
}

/** True if somebody listens. A socket file whose process was killed refuses. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function answer(
  parts: Parts,
  stop: () => void,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { state, instances } = parts;
  const json = (body: unknown, status = 200): void =>
    void response
      .writeHead(status, { "content-type": "application/json" })
      .end(JSON.stringify(body));
  switch (`${request.method} ${request.url}`) {
    case "GET /status":
      return json(await statusOf(state, instances));
    case "GET /health":
      return json({ status: "ok" });
    case "GET /ready":
      return json(
        { status: state.isConnected ? "ready" : "waiting for an Admin Node Manager" },
        state.isConnected ? 200 : 503,
      );
    case "GET /metrics": {
      const { contentType, text } = await nodeMetrics(state);
      return void response.writeHead(200, { "content-type": contentType }).end(text);
    }
    case "POST /entity-store":
      return changePassphrase(parts, request).then(
        () => json({}),
        (error: unknown) => json(problemOf(error), 409),
      );
    case "POST /stop":
      json({ stopping: true });
      return stop();
    default:
      return json({ error: "there is no such path" }, 404);
  }
}

/** The keys are written anew, then all who hold the passphrase in memory learn the new one. */
async function changePassphrase({ state, role }: Parts, request: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  await changeEntityStore(
    state,
    JSON.parse(Buffer.concat(chunks).toString("utf8")) as EntityStoreChange,
  );
  handBack(state.keys.passphrases);
  await role.restartAdmin();
  state.log.info("the keys of the Node Manager are under another passphrase");
}

function problemOf(error: unknown): { code: string; message: string } {
  return isDomainError(error)
    ? { code: error.code, message: error.message }
    : { code: "internal", message: describeError(error) };
}

async function statusOf(state: NodeState, instances: Instances): Promise<unknown> {
  const wanted = state.desired?.instances ?? [];
  return {
    host: state.hostId,
    process: state.processId,
    pid: process.pid,
    connected: state.isConnected,
    refusal: state.refusal,
    admin: state.admin && {
      id: state.admin.id,
      address: state.admin.address,
      port: state.admin.port,
    },
    epoch: state.trust.epoch,
    instances: await Promise.all(
      wanted.map(async ({ id, name, enabled }) => ({
        id,
        name,
        enabled,
        ...(await instances.stateOf(id)),
      })),
    ),
  };
}
