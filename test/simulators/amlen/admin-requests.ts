import { AdminError, messageCode, type AdminCode } from "./admin-error.ts";
import type { AdminAnswer, AdminRequest } from "./admin-endpoint.ts";
import { isObject, isObjectName } from "./change-configuration.ts";
import type { ObjectName } from "./configuration-objects.ts";

/** What a POST to /service/restart asks for. */
export interface RestartRequest {
  /** Undefined: as it is. */
  readonly maintenance: boolean | undefined;
  readonly cleanStore: boolean;
}

/** What a member lets be done by its administrators. */
export interface Administered {
  readonly configuration: (name: ObjectName) => object;
  /** Throws AdminError. */
  readonly configure: (body: unknown) => void;
  readonly status: () => Readonly<Record<string, object>>;
  readonly monitorCluster: () => object[];
  readonly restart: (request: RestartRequest) => void;
  readonly stop: () => void;
  /** False if it is not inactive. */
  readonly removeClusterMember: (name: string, uid: string) => boolean;
}

type Work = (server: Administered, body: string, argument: string) => object;

const done = {
  Code: messageCode(6011),
  Message: "The requested configuration change has completed",
};

const routes: readonly (readonly [method: string, path: RegExp, work: Work])[] = [
  ["POST", /^configuration$/, (server, body) => configure(server, body)],
  ["GET", /^configuration\/(\w+)$/, (server, _, name) => configurationOf(server, name)],
  ["DELETE", /^configuration\/(\w+)/, (_server, _, name) => refuse(372, name)],
  ["GET", /^service\/status$/, (server) => server.status()],
  ["GET", /^service\/status\/(\w+)$/, (server, _, name) => statusOf(server, name)],
  ["GET", /^monitor\/Cluster$/, (server) => ({ Cluster: server.monitorCluster() })],
  ["POST", /^service\/restart$/, (server, body) => restart(server, body)],
  ["POST", /^service\/stop$/, (server, body) => stop(server, body)],
  ["POST", /^service\/remove\/inactiveClusterMember$/, (server, body) => remove(server, body)],
];

/** Answers one request; whatever is below /ima/v1 and is not known gets 0137. */
export function answerAdmin(server: Administered, request: AdminRequest): AdminAnswer {
  try {
    const path = request.path.replace(/^\/ima\/v1\//, "");
    for (const [method, pattern, work] of routes) {
      const match = pattern.exec(path);
      if (match === null || method !== request.method) continue;
      return { status: 200, body: work(server, request.body, match[1] ?? "") };
    }
    return refuse(137, request.path);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    return { status: error.httpStatus, body: { Code: error.code, Message: error.message } };
  }
}

function refuse(code: AdminCode, subject: string): never {
  throw new AdminError(code, subject);
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return refuse(6001, "the body");
  }
}

function configure(server: Administered, body: string): object {
  server.configure(parse(body));
  return done;
}

function configurationOf(server: Administered, name: string): object {
  if (!isObjectName(name)) return refuse(137, name);
  return { [name]: server.configuration(name) };
}

function statusOf(server: Administered, name: string): object {
  const part = server.status()[name];
  return part === undefined ? refuse(137, name) : { [name]: part };
}

function restart(server: Administered, body: string): object {
  const request = serverRequest(body);
  const maintenance = request["Maintenance"];
  if (maintenance !== undefined && maintenance !== "start" && maintenance !== "stop") {
    return refuse(112, "Maintenance");
  }
  server.restart({
    maintenance: maintenance === undefined ? undefined : maintenance === "start",
    cleanStore: request["CleanStore"] === true,
  });
  return done;
}

function stop(server: Administered, body: string): object {
  serverRequest(body);
  server.stop();
  return done;
}

function serverRequest(body: string): Record<string, unknown> {
  const request = parse(body);
  if (!isObject(request) || request["Service"] !== "Server") return refuse(112, "Service");
  return request;
}

function remove(server: Administered, body: string): object {
  const request = parse(body);
  if (!isObject(request)) return refuse(137, "the request");
  const { ServerName: name, ServerUID: uid } = request;
  if (typeof name !== "string" || typeof uid !== "string") return refuse(134, "ServerUID");
  return server.removeClusterMember(name, uid) ? done : refuse(148, name);
}
