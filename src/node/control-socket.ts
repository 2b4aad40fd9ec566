import { chmod, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { describeError, DomainError, isDomainError, type ProcessId } from "../kit/index.ts";
import { parseCertificate } from "../pki/index.ts";
import { handBack } from "../transport/index.ts";
import { changeEntityStore, type EntityStoreChange } from "./entity-store.ts";
import type { Instances } from "./instances.ts";
import type { LocalIssuing } from "./local-issuing.ts";
import type { NodeState } from "./node-state.ts";
import { nodeMetrics } from "./metrics.ts";
import type { HostRole } from "./role.ts";

interface Parts {
  readonly state: NodeState;
  readonly instances: Instances;
  readonly role: Pick<HostRole, "restartAdmin">;
  readonly issuing: Pick<LocalIssuing, "request" | "take" | "keepForLater">;
}

/** Path of the socket by which the host's own command line talks to its Node Manager. */
export function controlSocketPath(run: string): string {
  return `${run}/node.sock`;
}

/** What the command line asks for over the socket; answered with what `LocalIssuing` gives. */
export type IssuingQuestion =
  | {
      readonly do: "request";
      readonly processes: readonly ProcessId[];
      /** DER, base64. */
      readonly signer: string | null;
    }
  | { readonly do: "take" | "keep"; readonly certificates: readonly string[] };

/**
 * Serves status, health and metrics on a Unix socket that only the owner can open; it is also the
 * lock on the home folder, since two processes cannot listen on it. Throws `home-locked`.
 */
export async function openControlSocket(parts: Parts, stop: () => void): Promise<Server> {
  const server = createServer((request, response) => void answer(parts, stop, request, response));
  await lockHome(parts.state, server);
  return server;
}

/** Takes the home folder for this process by listening on its socket. Throws `home-locked`. */
export async function lockHome({ layout }: NodeState, server: Server): Promise<void> {
  const path = controlSocketPath(layout.run);
  if (await answers(path))
    throw new DomainError(
      "home-locked",
      `a Node Manager is running on ${layout.home} already: stop it with \`gatehouse node stop\``,
    );
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  await chmod(path, 0o600);
}

/** True if somebody listens. A socket file whose process was killed refuses. */
export function answers(path: string): Promise<boolean> {
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
  const work = (done: () => Promise<unknown>): Promise<void> =>
    done().then(
      (result) => json(result ?? {}),
      (error: unknown) => json(problemOf(error), 409),
    );
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
      return work(() => changePassphrase(parts, request));
    case "POST /issuing":
      return work(() => answerQuestion(parts.issuing, bodyOf<IssuingQuestion>(request)));
    case "POST /stop":
      json({ stopping: true });
      return stop();
    default:
      return json({ error: "there is no such path" }, 404);
  }
}

/** The keys are written anew, then all who hold the passphrase in memory learn the new one. */
async function changePassphrase({ state, role }: Parts, request: IncomingMessage): Promise<void> {
  const change = await bodyOf<EntityStoreChange>(request);
  await state.installing(() => changeEntityStore(state, change));
  handBack(state.keys.passphrases);
  await role.restartAdmin();
  state.log.info("the keys of the Node Manager are under another passphrase");
}

/** What this version's own command line sends. */
async function bodyOf<T>(request: IncomingMessage): Promise<T> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString("utf8")) as T;
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

/** Does what is asked for. Throws what `LocalIssuing` throws. */
export async function answerQuestion(
  issuing: Parts["issuing"],
  asked: IssuingQuestion | Promise<IssuingQuestion>,
): Promise<unknown> {
  const question = await asked;
  const read = (der: string) => parseCertificate(Uint8Array.from(Buffer.from(der, "base64")));
  switch (question.do) {
    case "request": {
      const { processes, signer } = question;
      return issuing.request({ processes, signer: signer === null ? null : read(signer) });
    }
    case "take":
      return issuing.take(question.certificates.map(read));
    case "keep":
      return issuing.keepForLater(question.certificates.map(read));
  }
}
