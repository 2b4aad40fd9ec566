import rateLimit from "@fastify/rate-limit";
import swagger from "@fastify/swagger";
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from "fastify";
import type { Server } from "node:https";
import type { TLSSocket } from "node:tls";
import type { TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Convert, Default } from "typebox/value";
import { DomainError, isDomainError } from "../kit/index.ts";
import {
  asOfHeader,
  invalidValue,
  problem,
  routes,
  type RouteDefinition,
  type RouteName,
} from "../contract/index.ts";
import { knownCallers } from "../control/index.ts";
import {
  answerProbe,
  apiPrefix,
  guardConnections,
  judgeProbeClient,
  listenerOptions,
} from "../transport/index.ts";
import { admitCaller, type Caller } from "./access.ts";
import type { AdminState } from "./admin-state.ts";
import { readOrRecall, type Reading } from "./cut-off.ts";
import { handlers, isShown } from "./handlers.ts";
import { rememberAnswers } from "./idempotency.ts";
import { problemOf } from "./problem.ts";

const bodyBytesMax = 16 * 1024 * 1024;

type ApiServer = FastifyInstance<Server>;

/** The HTTPS server of an Admin Node Manager: API, metrics and health, and the answers to probes. */
export async function createServer(state: AdminState): Promise<ApiServer> {
  const rules = {
    verify: "management",
    onProbe: (socket: TLSSocket) => void answerPeerProbe(state, socket),
  } as const;
  const app = Fastify({
    https: listenerOptions(() => state, rules),
    bodyLimit: bodyBytesMax,
    loggerInstance: state.log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: true,
  });
  guardConnections(app.server, () => state, rules, state.epochs);
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = problemOf(knownError(error));
    if (status >= 500 && !isDomainError(error)) state.log.error({ err: error }, "request failed");
    return reply.status(status).type("application/problem+json").send(JSON.stringify(body));
  });
  app.setNotFoundHandler((request) => {
    throw new DomainError(
      "not-found",
      `there is no ${request.method} ${request.url.split("?")[0]}`,
    );
  });
  app.setValidatorCompiler(({ schema, httpPart }) =>
    validatorOf(schema as TSchema, httpPart === "querystring"),
  );
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: { title: "Gatehouse", version: "v1", description: "Admin Node Manager API" },
      servers: [{ url: apiPrefix }],
      components: {
        securitySchemes: {
          bearer: { type: "http", scheme: "bearer" },
          mutualTLS: { type: "mutualTLS" } as never,
        },
      },
    },
  });
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_request, context) =>
      new DomainError("rate-limited", `too many attempts: wait ${context.after}`),
  });
  app.decorateRequest("caller", null);
  await app.register(async (api: ApiServer) => registerRoutes(api, state), { prefix: apiPrefix });
  return app;
}

declare module "fastify" {
  interface FastifyRequest {
    caller: Caller | null;
  }
}

function registerRoutes(app: ApiServer, state: AdminState): void {
  rememberAnswers(app, state);
  for (const [operationId, definition] of Object.entries(routes) as [
    RouteName,
    RouteDefinition,
  ][]) {
    const handler = handlers[operationId] as (state: Reading, call: never) => Promise<unknown>;
    const serve = serviceOf(state, operationId);
    const { params, query, body, response, status } = definition;
    app.route({
      method: definition.method,
      url: definition.path,
      schema: {
        operationId,
        summary: definition.summary,
        response: { [status]: response, default: problem },
        security: securityOf(definition),
        ...(params === undefined ? {} : { params }),
        ...(query === undefined ? {} : { querystring: query }),
        ...(body === undefined ? {} : { body }),
      },
      config: limitOf(definition),
      // Before the body is read: who may not call does not make the server work.
      onRequest: async (request, reply) => {
        request.caller = await serve(reply, (reading) =>
          admitCaller(reading, definition.access, request),
        );
      },
      handler: async (request, reply) => {
        const answer = await serve(reply, (reading) => handler(reading, callOf(request) as never));
        return reply.status(status).send(status === 204 ? undefined : (answer ?? undefined));
      },
    });
  }
  app.get("/openapi.json", { schema: { hide: true } }, () => app.swagger());
}

/** Runs a part of answering a request; where that shows what was last known, the answer says so. */
type Service = <T>(reply: FastifyReply, work: (reading: Reading) => Promise<T>) => Promise<T>;

function serviceOf(state: AdminState, name: RouteName): Service {
  if (!isShown(name)) return (_reply, work) => work(state);
  return async (reply, work) => {
    const { answer, cutOff } = await readOrRecall(state, work);
    if (cutOff !== null) reply.header(asOfHeader, new Date(cutOff.asOfMs).toISOString());
    return answer;
  };
}

function limitOf({ callsPerMinuteMax }: RouteDefinition) {
  if (callsPerMinuteMax === undefined) return {};
  return { rateLimit: { max: callsPerMinuteMax, timeWindow: 60_000 } };
}

function securityOf(definition: RouteDefinition): { [scheme: string]: string[] }[] {
  if (definition.access === "public") return [];
  return definition.access === "agent" || definition.access === "anm"
    ? [{ mutualTLS: [] }]
    : [{ bearer: [definition.access] }];
}

function callOf(request: FastifyRequest): unknown {
  const { body, params, query, caller } = request;
  return { body, params, query, caller, actor: actorOf(caller) };
}

/** How the audit log names a caller. */
function actorOf(caller: Caller | null): string {
  if (caller?.kind === "user") return `user:${caller.name}`;
  if (caller?.kind === "agent") return `host:${caller.hostId}`;
  return caller?.kind === "relying-party" ? `relying-party:${caller.id}` : "anonymous";
}

function validatorOf(
  schema: TSchema,
  isText: boolean,
): (value: unknown) => { value: unknown } | { error: Error } {
  const validator = Compile(schema);
  return (given) => {
    // Query parameters arrive as text; bodies have to be what they say they are.
    const value = isText ? Convert(schema, Default(schema, { ...(given as object) })) : given;
    if (validator.Check(value)) return { value };
    return { error: invalidValue(schema, value, "the request") };
  };
}

/** Fastify's own refusals (bad JSON, too large) as codes of ours. */
function knownError(error: unknown): unknown {
  if (isDomainError(error)) return error;
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new DomainError("invalid-input", message ?? "the request cannot be read");
  return error;
}

async function answerPeerProbe(state: AdminState, socket: TLSSocket): Promise<void> {
  const known = await state.env.store.read(knownCallers);
  const verdict = answerProbe(socket, state.processId, state.trust, (peer) =>
    judgeProbeClient(
      peer,
      state.trust,
      { role: "anm", hostId: state.hostId },
      known,
      state.env.clock.nowMs(),
    ),
  );
  state.recordProof(verdict, (socket.servername || "").split(".")[0] ?? "");
}
