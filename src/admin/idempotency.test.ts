import Fastify, { type FastifyInstance } from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryStore } from "../../test/support/memory-store.ts";
import type { RouteName } from "../contract/index.ts";
import type { AdminState } from "./admin-state.ts";
import { keepingKeys, rememberAnswers } from "./idempotency.ts";

const clock = { nowMs: () => 1_790_000_000_000, monotonicMs: () => performance.now() };
const entry = { actor: "user:admin", action: "group.configure", subject: "group-2", detail: {} };

/** A server whose route makes one change, then does `after`; several may share one store. */
async function server(
  shared: MemoryStore,
  of: { readonly operationId: RouteName; readonly status: number },
  after: () => Promise<void> = async () => {},
): Promise<FastifyInstance> {
  const store = keepingKeys(shared, clock);
  const app = Fastify();
  onTestFinished(() => app.close());
  app.decorateRequest("caller", null);
  app.addHook("onRequest", async (request) => {
    request.caller = { kind: "user", name: "admin", role: "administrator", token: "" };
  });
  rememberAnswers(app, { env: { store, clock } } as unknown as AdminState);
  app.post("/change", { schema: { operationId: of.operationId } }, async (_request, reply) => {
    await store.write(entry, async () => {});
    await after();
    return reply.status(of.status).send(of.status === 204 ? undefined : { made: true });
  });
  await app.ready();
  return app;
}

function ask(app: FastifyInstance): Promise<{ statusCode: number; body: string }> {
  return app.inject({ method: "POST", url: "/change", headers: { "idempotency-key": "k" } });
}

async function changes(store: MemoryStore): Promise<number> {
  return (await store.read((view) => view.audit.page({}, 100))).length;
}

const withBody = { operationId: "createInstance", status: 201 } as const;
const withoutBody = { operationId: "configureGroup", status: 204 } as const;

describe("a repetition changes nothing again", () => {
  test("and gets the same answer", async () => {
    const store = new MemoryStore(clock);
    const app = await server(store, withBody);
    const first = await ask(app);
    expect(first).toMatchObject({ statusCode: 201, body: '{"made":true}' });
    expect(await ask(app)).toMatchObject({ statusCode: 201, body: first.body });
    expect(await changes(store)).toBe(1);
  });

  test("when the first was carried out and its answer lost, and says so where it cannot give it", async () => {
    const store = new MemoryStore(clock);
    const dies = (): Promise<never> => Promise.reject(new Error("killed"));
    expect(await ask(await server(store, withBody, dies))).toMatchObject({ statusCode: 500 });
    const repeated = await ask(await server(store, withBody));
    expect(repeated.statusCode).toBe(409);
    expect(repeated.body).toContain("was carried out, and its answer is not known");
    expect(await changes(store)).toBe(1);
  });

  test("when the first was carried out and its answer lost, and is told so where that is the answer", async () => {
    const store = new MemoryStore(clock);
    const dies = (): Promise<never> => Promise.reject(new Error("killed"));
    expect(await ask(await server(store, withoutBody, dies))).toMatchObject({ statusCode: 500 });
    expect(await ask(await server(store, withoutBody))).toMatchObject({ statusCode: 204 });
    expect(await changes(store)).toBe(1);
  });

  test("while another Admin Node Manager still works on the first", async () => {
    const store = new MemoryStore(clock);
    const { promise, resolve } = Promise.withResolvers<void>();
    const slow = await server(store, withBody, () => promise);
    const first = ask(slow);
    await expect.poll(() => changes(store)).toBe(1);
    expect(await ask(slow)).toMatchObject({ statusCode: 500 });
    expect(await ask(await server(store, withBody))).toMatchObject({ statusCode: 409 });
    resolve();
    expect(await first).toMatchObject({ statusCode: 201 });
    expect(await ask(slow)).toMatchObject({ statusCode: 201 });
    expect(await changes(store)).toBe(1);
  });
});
