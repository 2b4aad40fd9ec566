import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { DomainError, type Clock } from "../kit/index.ts";
import { routes, type RouteName } from "../contract/index.ts";
import type { Store, StoreTransaction } from "../control/index.ts";
import type { AdminState } from "./admin-state.ts";
import { problemOf } from "./problem.ts";

const answerLifetimeMs = 24 * 3600 * 1000;
/**
 * Answers with secrets in them are not kept: a repetition makes another secret, which harms nobody.
 * Nor is the hash of a request with a passphrase in it, by which that could be guessed.
 */
const secretOperations = new Set([
  "createJoinToken",
  "createRelyingParty",
  "unlockKeys",
  "changeGroupPassphrase",
  "setKeyPassphrase",
]);

/** A user's write with an `Idempotency-Key`, while it is served. */
interface KeyedWrite {
  readonly key: string;
  readonly requestHash: string;
  /** True for a route that answers with 204: then the answer is known before the write is done. */
  readonly isWithoutBody: boolean;
  isKept: boolean;
}

const served = new AsyncLocalStorage<KeyedWrite>();

/**
 * A store whose transactions keep the key of the request that makes them, each key once: however
 * often a request is repeated, wherever, and whatever dies in between, it changes nothing twice.
 */
export function keepingKeys(store: Store, clock: Clock): Store {
  return {
    read: (work) => store.read(work),
    note: (work) => store.note(work),
    revision: () => store.revision(),
    waitForRevision: (after, timeoutMs) => store.waitForRevision(after, timeoutMs),
    lastKnown: () => store.lastKnown(),
    close: () => store.close(),
    async write(audit, work) {
      const request = served.getStore();
      if (request === undefined || request.isKept) return store.write(audit, work);
      const result = await store.write(audit, async (tx) => {
        await keepKey(tx, request, clock.nowMs());
        return work(tx);
      });
      request.isKept = true;
      return result;
    },
  };
}

async function keepKey(
  tx: StoreTransaction,
  { key, requestHash, isWithoutBody }: KeyedWrite,
  nowMs: number,
): Promise<void> {
  if ((await tx.accounts.answer(key, nowMs)) !== undefined) throw carriedOut();
  const { status, body } = problemOf(carriedOut());
  await tx.accounts.putAnswer({
    key,
    requestHash,
    status: isWithoutBody ? 204 : status,
    body: isWithoutBody ? "" : JSON.stringify(body),
    expiresAtMs: nowMs + answerLifetimeMs,
  });
}

/** What a repetition is told until the answer of the first is kept; for good, if that was lost. */
function carriedOut(): DomainError {
  return new DomainError(
    "conflict",
    "the request with this Idempotency-Key was carried out, and its answer is not known: look at what it has changed",
  );
}

/**
 * Gives a user's write with an `Idempotency-Key` that was answered before the same answer again,
 * for a day. The same key with another request is refused. What the handler writes must go through
 * `keepingKeys`.
 */
export function rememberAnswers(app: FastifyInstance, state: AdminState): void {
  const { store, clock } = state.env;
  const begun = new Set<string>();
  const writes = new WeakMap<FastifyRequest, KeyedWrite>();
  app.addHook("preHandler", async (request, reply) => {
    const write = keyedWrite(request);
    if (write === null) return undefined;
    const answer = await store.read((view) => view.accounts.answer(write.key, clock.nowMs()));
    if (begun.has(write.key))
      throw new DomainError(
        "conflict",
        "a request with this Idempotency-Key is still being worked on",
      );
    if (answer === undefined) {
      begun.add(write.key);
      writes.set(request, write);
      return undefined;
    }
    if (answer.requestHash !== write.requestHash)
      throw new DomainError(
        "conflict",
        "this Idempotency-Key was used for another request: choose a new one",
      );
    return reply
      .header("idempotent-replay", "true")
      .status(answer.status)
      .type(answer.status < 400 ? "application/json" : "application/problem+json")
      .send(answer.body);
  });
  app.addHook("preHandler", (request, _reply, done) => {
    const write = writes.get(request);
    if (write === undefined) done();
    else served.run(write, done);
  });
  app.addHook("onSend", async (request, reply, payload) => {
    const write = writes.get(request);
    if (write === undefined) return payload;
    if (reply.statusCode < 400 && !(write.isKept && write.isWithoutBody)) {
      const { key, requestHash } = write;
      const answer = {
        key,
        requestHash,
        status: reply.statusCode,
        body: typeof payload === "string" ? payload : "",
        expiresAtMs: clock.nowMs() + answerLifetimeMs,
      };
      await store.note((tx) => tx.accounts.putAnswer(answer));
    }
    begun.delete(write.key);
    return payload;
  });
}

interface KeyedRequest {
  readonly method: string;
  readonly url: string;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly caller: { readonly kind: string; readonly name?: string } | null;
  readonly routeOptions: { readonly schema?: unknown };
}

/** Null where answers are not kept. */
function keyedWrite(request: KeyedRequest): KeyedWrite | null {
  const header = request.headers["idempotency-key"];
  const { operationId = "" } = (request.routeOptions.schema ?? {}) as { operationId?: string };
  if (
    typeof header !== "string" ||
    request.caller?.kind !== "user" ||
    secretOperations.has(operationId)
  )
    return null;
  return {
    key: hashOf(`${request.caller.name}\n${header}`),
    requestHash: hashOf(`${request.method} ${request.url} ${bodyText(request)}`),
    isWithoutBody: routes[operationId as RouteName].status === 204,
    isKept: false,
  };
}

/** Without the passphrase of a new instance's group: by a hash of it, that could be guessed. */
function bodyText({ body }: KeyedRequest): string {
  return JSON.stringify(body ?? null, (key, value: unknown) =>
    key === "passphrase" ? undefined : value,
  );
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
