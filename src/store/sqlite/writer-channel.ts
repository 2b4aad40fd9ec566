import { Worker } from "node:worker_threads";
import { DomainError } from "../../kit/index.ts";
import type { Bound } from "../statement.ts";
import { fromWire } from "./errors.ts";
import type { Command, Reply, WriterOptions } from "./protocol.ts";

/** Commands kept back at most; so many make a message worth its price, and keep the thread busy. */
const commandsPerMessageMax = 64;

type Committed = Extract<Reply, { is: "committed" }>;

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** The writer thread as seen from the main thread: commands go out in order, in few messages. */
export class WriterChannel {
  readonly #worker: Worker;
  readonly #file: string;
  #outgoing: Command[] = [];
  #lastRequest = 0;
  readonly #requests = new Map<number, Waiting<readonly (readonly unknown[])[]>>();
  readonly #commits = new Map<number, Waiting<Committed>>();
  #ended: Error | undefined;
  readonly #exited: Promise<void>;

  private constructor(worker: Worker, file: string) {
    this.#worker = worker;
    this.#file = file;
    this.#exited = new Promise((resolve) => worker.once("exit", () => resolve()));
    worker.on("message", (replies: Reply) => this.#receive(replies));
    worker.once("error", (cause) => this.#fail(cause));
    worker.once("exit", () => this.#fail(undefined));
  }

  /** Starts the thread, which opens and migrates the database. Rejects with the reason if it cannot. */
  static async start(options: WriterOptions): Promise<WriterChannel> {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const worker = new Worker(new URL(`./writer-thread.${extension}`, import.meta.url), {
      workerData: options,
      execArgv: [],
    });
    const opened = await new Promise<Reply>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", (cause) => reject(threadEnded(options.file, cause)));
    });
    if (opened.is === "not-opened") throw fromWire(opened.error);
    return new WriterChannel(worker, options.file);
  }

  /** Queues a command; it is sent with the next one that has an answer. */
  send(command: Command): void {
    this.#outgoing.push(command);
    if (this.#outgoing.length >= commandsPerMessageMax) this.#flush();
  }

  /** Rows of queries that the running logical transaction sees. */
  rows(queries: readonly Bound[]): Promise<readonly (readonly unknown[])[]> {
    const request = ++this.#lastRequest;
    return this.#ask(this.#requests, request, { do: "rows", request, queries });
  }

  commit(group: number): Promise<Committed> {
    return this.#ask(this.#commits, group, { do: "commit", group });
  }

  /** Ends the thread after what was sent. */
  async close(): Promise<void> {
    this.#ended ??= new DomainError("not-running", `the store ${this.#file} is closed`);
    this.#outgoing.push({ do: "close" });
    this.#flush();
    await this.#exited;
  }

  #ask<T>(waiting: Map<number, Waiting<T>>, key: number, command: Command): Promise<T> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      waiting.set(key, { resolve, reject });
      this.#outgoing.push(command);
      this.#flush();
    });
  }

  #flush(): void {
    this.#worker.postMessage(this.#outgoing);
    this.#outgoing = [];
  }

  #receive(reply: Reply): void {
    if (reply.is === "rows") take(this.#requests, reply.request)?.resolve(reply.results);
    else if (reply.is === "failed")
      take(this.#requests, reply.request)?.reject(fromWire(reply.error));
    else if (reply.is === "committed") take(this.#commits, reply.group)?.resolve(reply);
  }

  #fail(cause: unknown): void {
    this.#ended ??= threadEnded(this.#file, cause);
    for (const waiting of [this.#requests, this.#commits]) {
      for (const { reject } of waiting.values()) reject(this.#ended);
      waiting.clear();
    }
  }
}

function take<T>(waiting: Map<number, Waiting<T>>, key: number): Waiting<T> | undefined {
  const found = waiting.get(key);
  waiting.delete(key);
  return found;
}

function threadEnded(file: string, cause: unknown): DomainError {
  return new DomainError("internal", `the thread that writes ${file} ended: restart the process`, {
    cause,
    context: { file },
  });
}
