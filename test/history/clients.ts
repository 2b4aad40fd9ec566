import { randomUUID } from "node:crypto";
import {
  DomainError,
  isDomainError,
  type GroupId,
  type HostId,
  type ProcessId,
} from "../../src/kit/index.ts";
import type { RouteName, RouteResponse } from "../../src/contract/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  LoadedTrust,
  type ApiInput,
  type SavedTrust,
  type ServerAddress,
} from "../../src/transport/index.ts";
import { onEnd } from "../support/cleanup.ts";
import type { SeededRng } from "../support/seeded-rng.ts";
import { Record, type Outcome } from "./record.ts";

const answerMsMax = 2_000;
const triesMax = 8;
const pauseMs = 250;
/** Each makes two certificates, and each deletion a trust document. */
const thingEveryMs = 20_000;
const revocationEveryMs = 30_000;

export interface HistoryOrder {
  readonly admins: readonly ServerAddress[];
  readonly trust: SavedTrust;
  readonly token: string;
  /** Groups without instances: what they serve is the value of a register. */
  readonly registers: readonly { readonly id: GroupId; readonly name: string }[];
  /** Where instances are created and deleted. */
  readonly hostId: HostId;
  /** The serial of a certificate that may be revoked; undefined: there is none now. */
  readonly spareSerial: () => string | undefined;
  readonly rng: SeededRng;
}

/** Answers that say that nothing was done. All else may have been, or is asked again. */
const refusals = ["not-found", "already-exists", "still-running", "invalid-input", "invalid-name"];

/** Clients that read and change a domain through whichever Admin Node Manager, and record it. */
export class HistoryClients {
  readonly record = new Record();
  readonly #order: HistoryOrder;
  #isStopping = false;
  #done: Promise<unknown> = Promise.resolve();

  private constructor(order: HistoryOrder) {
    this.#order = order;
  }

  static start(count: number, order: HistoryOrder): HistoryClients {
    const clients = new HistoryClients(order);
    const all = Array.from({ length: count }, (_, i) =>
      new HistoryClient(`client-${i + 1}`, clients.record, order).run(() => clients.#isStopping),
    );
    clients.#done = Promise.all(all);
    onEnd(() => clients.stop());
    return clients;
  }

  /** Ends after what is under way, and looks once more, so that what was lost is missed. */
  async stop(): Promise<void> {
    if (this.#isStopping) return this.#done.then(() => undefined);
    this.#isStopping = true;
    await this.#done;
    const last = new HistoryClient("last", this.record, this.#order);
    this.#done = last.look(triesMax).finally(() => last.close());
    await this.#done;
  }
}

class HistoryClient {
  readonly #name: string;
  readonly #record: Record;
  readonly #order: HistoryOrder;
  readonly #trust: LoadedTrust;
  readonly #callers = new Map<ServerAddress, ApiCaller>();
  #written = 0;
  #thing: string | null = null;
  #nextThingMs: number;
  #nextRevocationMs: number;

  constructor(name: string, record: Record, order: HistoryOrder) {
    this.#name = name;
    this.#record = record;
    this.#order = order;
    this.#trust = LoadedTrust.restore(order.trust);
    const nowMs = performance.now();
    this.#nextThingMs = nowMs + order.rng.below(thingEveryMs);
    this.#nextRevocationMs = nowMs + order.rng.below(revocationEveryMs);
  }

  async run(isStopping: () => boolean): Promise<void> {
    while (!isStopping()) {
      await this.#act();
      await pause(pauseMs);
    }
    this.close();
  }

  async #act(): Promise<void> {
    const { rng } = this.#order;
    const nowMs = performance.now();
    if (nowMs >= this.#nextThingMs) {
      this.#nextThingMs = nowMs + thingEveryMs;
      return this.#changeThing();
    }
    if (nowMs >= this.#nextRevocationMs) {
      this.#nextRevocationMs = nowMs + revocationEveryMs;
      return this.#revoke();
    }
    if (rng.happens(0.5)) return this.look(1);
    if (rng.happens(0.8)) return this.#write();
    return this.#makeToken();
  }

  /** One look reads all registers and all things; `tries`: how often until one is answered. */
  async look(tries: number): Promise<void> {
    const { answer, invokedMs, answeredMs } = await this.#try("getTopology", {}, tries);
    if (answer === null) return;
    const seen = { by: this.#name, invokedMs, answeredMs };
    for (const { id, name } of this.#order.registers) {
      const group = answer.groups.find((candidate) => candidate.id === id);
      this.#record.read(name, { ...seen, value: valueOf(group?.configuration.routes) });
    }
    const names = answer.groups.flatMap(({ instances }) => instances.map(({ name }) => name));
    this.#record.look(new Set(names), seen);
  }

  async #write(): Promise<void> {
    const { registers, rng } = this.#order;
    const register = registers[rng.below(registers.length)];
    if (register === undefined) return;
    const value = `/${this.#name}/${++this.#written}`;
    const ended = await this.#try("configureGroup", {
      params: { id: register.id },
      body: {
        dnsNames: [],
        routes: [
          { host: null, pathPrefix: value, upstreams: ["http://127.0.0.1:9"], healthPath: null },
        ],
      },
    });
    this.#record.write(register.name, { ...ended, value, by: this.#name });
    this.#record.count("group.configure", counted(ended, 1));
  }

  async #makeToken(): Promise<void> {
    const body = { hostName: null, lifetimeSeconds: 600 };
    const ended = await this.#try("createJoinToken", { body });
    // Each try makes another token: the answer is a secret, and not kept.
    this.#record.count("join-token.create", counted(ended, ended.tries));
  }

  async #revoke(): Promise<void> {
    const serial = this.#order.spareSerial();
    if (serial === undefined) return;
    const { outcome } = await this.#try("revoke", { body: { serial, reason: "a test" } });
    if (outcome === "done") this.#record.revoked.push(serial);
  }

  async #changeThing(): Promise<void> {
    if (this.#thing === null) return this.#create(`${this.#name}-${++this.#written}`);
    return this.#delete(this.#thing);
  }

  async #create(name: string): Promise<void> {
    const { hostId } = this.#order;
    const ended = await this.#try("createInstance", { body: { name, group: "things", hostId } });
    const outcome = certain(ended, "already-exists");
    this.#record.change(name, { ...ended, outcome, value: "present", by: this.#name });
    this.#record.count("instance.create", counted({ outcome }, 1));
    if (outcome === "done") this.#thing = name;
  }

  async #delete(name: string): Promise<void> {
    const { answer } = await this.#try("getTopology", {}, triesMax);
    const id = answer?.groups
      .flatMap(({ instances }) => instances)
      .find((instance) => instance.name === name)?.id;
    if (id === undefined) return;
    const ended = await this.#try("deleteInstance", { params: { id: id as ProcessId } });
    const outcome = certain(ended, "not-found");
    this.#record.change(name, { ...ended, outcome, value: "gone", by: this.#name });
    this.#record.count("instance.delete", counted({ outcome }, 1));
    if (outcome !== "refused") this.#thing = null;
  }

  /** Tries again, anywhere, under the same Idempotency-Key, until somebody answers. */
  async #try<Name extends RouteName>(
    name: Name,
    input: ApiInput<Name>,
    triesAtMost = triesMax,
  ): Promise<Ended<RouteResponse<Name>>> {
    const headers = {
      authorization: `Bearer ${this.#order.token}`,
      "idempotency-key": randomUUID(),
    };
    const invokedMs = performance.now();
    let code: string | null = null;
    for (let tries = 1; ; tries++) {
      const admin = this.#anyAdmin();
      try {
        const answer = await callApi(this.#callerTo(admin), name, {
          ...input,
          headers,
          timeoutMs: answerMsMax,
          onLastKnown: refuseLastKnown,
        });
        return { answer, outcome: "done", code, tries, invokedMs, answeredMs: performance.now() };
      } catch (error) {
        code = isDomainError(error) ? error.code : "internal";
        const isAnswer = refusals.includes(code);
        const end = { answer: null, code, tries, invokedMs, answeredMs: performance.now() };
        if (isAnswer) return { ...end, outcome: tries === 1 ? "refused" : "unknown" };
        if (tries === triesAtMost) return { ...end, outcome: "unknown", answeredMs: Infinity };
        await this.#renew(admin);
      }
      await pause(pauseMs);
    }
  }

  #anyAdmin(): ServerAddress {
    const { admins, rng } = this.#order;
    const admin = admins[rng.below(admins.length)];
    if (admin === undefined) throw new Error("there is an Admin Node Manager");
    return admin;
  }

  #callerTo(admin: ServerAddress): ApiCaller {
    let caller = this.#callers.get(admin);
    if (caller === undefined) {
      const tls = adminServerTls({
        trust: this.#trust,
        caller: "user",
        nowMs: () => Date.now(),
      });
      caller = new ApiCaller({ ...admin, prefix: apiPrefix }, tls);
      this.#callers.set(admin, caller);
    }
    return caller;
  }

  /** Connects anew, under newer trust if the server gives some. */
  async #renew(admin: ServerAddress): Promise<void> {
    await fetchTrustLinks(admin, this.#trust.epoch, answerMsMax)
      .then((links) => this.#trust.accept(links))
      .catch(() => undefined);
    this.close();
  }

  close(): void {
    for (const caller of this.#callers.values()) caller.close();
    this.#callers.clear();
  }
}

/** What an Admin Node Manager says that cannot reach the store is marked as old, and claims nothing. */
function refuseLastKnown(asOf: Date): never {
  throw new DomainError("store-unavailable", `what is known is of ${asOf.toISOString()}`);
}

interface Ended<Answer> {
  readonly answer: Answer | null;
  readonly outcome: Outcome;
  /** Of the last error. */
  readonly code: string | null;
  readonly tries: number;
  readonly invokedMs: number;
  readonly answeredMs: number;
}

/** After a try without an answer this refusal says that it had taken place: nobody else does it. */
function certain({ outcome, code }: Ended<unknown>, refusal: string): Outcome {
  return outcome === "unknown" && code === refusal ? "done" : outcome;
}

function counted(
  { outcome }: { readonly outcome: Outcome },
  tried: number,
): { acknowledged: number; tried: number } {
  return {
    acknowledged: outcome === "done" ? 1 : 0,
    tried: outcome === "refused" ? 0 : tried,
  };
}

function valueOf(routes: readonly { readonly pathPrefix: string }[] | undefined): string {
  return routes?.[0]?.pathPrefix ?? "initial";
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
