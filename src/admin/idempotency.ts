import { createHash } from "node:crypto";
import type { FastifyInstance } from "fastify";
import { DomainError } from "../kit/index.ts";
import type { AdminState } from "./admin-state.ts";

const answerLifetimeMs = 24 * 3600 * 1000;
/**
 * Answers with secrets in them are not kept: a repetition makes another secret, which harms nobody.
 * Nor is the hash of a request with a passphrase in it, by which that could be guessed.
 */
const secretOperations = new Set(["createJoinToken", "createRelyingParty", "unlockKeys"]);

/**
 * Gives a user's write with an `Idempotency-Key` that was answered before the same answer again,
 * for a day. The same key with another request is refused.
 */
export function rememberAnswers(app: FastifyInstance, state: AdminState): void {
  const { store, clock } = state.env;
  const begun = new Set<string>();
  const describe = (request: { method: string; url: string; body: unknown }): string =>
    hashOf(`${request.method} ${request.url} ${JSON.stringify(request.body ?? null)}`);
  app.addHook("preHandler", async (request, reply) => {
    const key = keyOf(request);
    if (key === null) return undefined;
    const answer = await store.read((view) => view.accounts.answer(key, clock.nowMs()));
    if (answer === undefined) {
      if (begun.has(key))
        throw new DomainError(
          "conflict",
          "a request with this Idempotency-Key is still being worked on",
        );
      begun.add(key);
      return undefined;
    }
    if (answer.requestHash !== describe(request))
      throw new DomainError(
        "conflict",
        "this Idempotency-Key was used for another request: choose a new one",
      );
    return reply
      .header("idempotent-replay", "true")
      .status(answer.status)
      .type("application/json")
      .send(answer.body);
  });
  app.addHook("onSend", async (request, reply, payload) => {
    const key = keyOf(request);
    if (key === null || reply.hasHeader("idempotent-replay") || !begun.has(key)) return payload;
    if (reply.statusCode < 400) {
      const answer = {
        key,
        requestHash: describe(request),
        status: reply.statusCode,
        body: typeof payload === "string" ? payload : "",
        expiresAtMs: clock.nowMs() + answerLifetimeMs,
      };
      await store.note((tx) => tx.accounts.putAnswer(answer));
    }
    begun.delete(key);
    return payload;
  });
}

interface KeyedRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly caller: { readonly kind: string; readonly name?: string } | null;
  readonly routeOptions: { readonly schema?: unknown };
}

/** Hash over caller and key, or null where answers are not kept. */
function keyOf(request: KeyedRequest): string | null {
  const header = request.headers["idempotency-key"];
  const { operationId } = (request.routeOptions.schema ?? {}) as { operationId?: string };
  if (
    typeof header !== "string" ||
    request.caller?.kind !== "user" ||
    secretOperations.has(operationId ?? "")
  )
    return null;
  return hashOf(`${request.caller.name}\n${header}`);
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
