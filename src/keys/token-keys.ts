import { fork, type ChildProcess } from "node:child_process";
import { hash } from "node:crypto";
import { DomainError, isDomainError } from "../kit/index.ts";
import {
  defaultSignatureAlgorithm,
  describePublicKey,
  ecdsaSignature,
  p256PublicKey,
} from "../pki/index.ts";
import { digestOf } from "./node-crypto-port.ts";
import type { Signer } from "./signer.ts";
import type { FromToken, TokenAddress, TokenCall, ToToken } from "./token-protocol.ts";

/** As long as a token over a network may take. */
const answerMsMax = 10_000;
/** A token that could not be opened is not tried for each certificate that waits. */
const restMs = 1_000;
const digestBytesMax = 32;
/** For so long it is believed that a key which a new login did not show is not there. */
const missingMsMax = 10_000;

/** What opens a token: asked for at each start of its process. */
export interface TokenLogin extends TokenAddress {
  readonly pin: string;
}

interface Waiting {
  readonly resolve: (bytes: Uint8Array | null) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * Keys in a PKCS#11 token, by their labels. The library of its maker runs in a process of its own,
 * which is started when it is first needed, and again when it died or the token failed.
 */
export class TokenKeys {
  readonly #login: () => Promise<TokenLogin>;
  readonly #waiting = new Map<number, Waiting>();
  #child: ChildProcess | null = null;
  #opened: Promise<void> | null = null;
  /** Until when a key is known not to be there. */
  readonly #missing = new Map<string, number>();
  #lastId = 0;
  #failure: { readonly error: DomainError; readonly untilMs: number } | null = null;
  /** A token counts wrong PINs, and locks itself: none is tried twice. */
  #refused: { readonly pin: string; readonly error: DomainError } | null = null;

  /** `login` is asked whenever the process is started; what it throws is what a call throws. */
  constructor(login: () => Promise<TokenLogin>) {
    this.#login = login;
  }

  /** The process with the library; null: none runs. */
  get processId(): number | null {
    return this.#child?.pid ?? null;
  }

  /**
   * Logs in, if that is not done, at once and however lately it failed. Throws `not-supported` without
   * the addon, `not-found` without library or token, `forbidden` for a wrong PIN, `authority-unavailable`.
   */
  async open(): Promise<void> {
    this.#failure = null;
    await this.#ready();
  }

  /** Makes a key that cannot leave the token; returns its SubjectPublicKeyInfo, DER. */
  async generate(label: string): Promise<Uint8Array> {
    this.#missing.delete(label);
    return p256PublicKey(bytesOf(await this.#call({ kind: "generate", label })));
  }

  /** SubjectPublicKeyInfo of a key; null: the token has no such key. Throws `authority-unavailable`. */
  async find(label: string): Promise<Uint8Array | null> {
    const call = { kind: "find", label } as const;
    let point = await this.#again(call);
    // A login outlives its token and then shows an empty one: only a new one is believed.
    if (point === null && (this.#missing.get(label) ?? 0) < performance.now()) {
      await this.close();
      point = await this.#again(call);
      if (point === null) this.#missing.set(label, performance.now() + missingMsMax);
    }
    return point && p256PublicKey(point);
  }

  /** A signer with a key of the token. Throws `authority-unavailable`. */
  async signer(label: string): Promise<Signer> {
    const spki = await this.find(label);
    if (spki === null)
      throw new DomainError("authority-unavailable", `the token has no key ${label}`);
    const algorithm = defaultSignatureAlgorithm(describePublicKey(spki));
    return {
      algorithm,
      spki,
      sign: async (message, other) => {
        const name = digestOf[other ?? algorithm] ?? "sha256";
        // Of a longer digest ECDSA takes as many bits as the order of the group has (FIPS 186-5, 6.4.1).
        const digest = Uint8Array.from(hash(name, message, "buffer").subarray(0, digestBytesMax));
        return ecdsaSignature(bytesOf(await this.#again({ kind: "sign", label, digest })));
      },
    };
  }

  /** Destroys a key. True if it was there. */
  async destroy(label: string): Promise<boolean> {
    return (await this.#call({ kind: "destroy", label })) !== null;
  }

  /** Ends the process, so that the next call logs in anew. */
  async close(): Promise<void> {
    const child = this.#child;
    if (child === null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** What may be asked twice is, once the process has ended and another one was started. */
  async #again(call: TokenCall): Promise<Uint8Array | null> {
    try {
      return await this.#call(call);
    } catch (error) {
      if (!isDomainError(error, "authority-unavailable") || this.#failure !== null) throw error;
      return this.#call(call);
    }
  }

  async #call(call: TokenCall): Promise<Uint8Array | null> {
    try {
      await this.#ready();
    } catch (cause) {
      if (!(cause instanceof DomainError)) throw cause;
      throw new DomainError("authority-unavailable", cause.message, { cause });
    }
    try {
      return await this.#ask(call);
    } catch (error) {
      // A session is void after most failures of a token: the next call logs in anew.
      await this.close();
      throw error;
    }
  }

  async #ready(): Promise<void> {
    if (this.#failure !== null && performance.now() < this.#failure.untilMs)
      throw this.#failure.error;
    this.#opened ??= this.#start();
    await this.#opened;
  }

  async #start(): Promise<void> {
    try {
      const login = await this.#login();
      if (this.#refused?.pin === login.pin) throw this.#refused.error;
      this.#child = this.#fork();
      await this.#ask({ kind: "open", ...login }).catch((error: unknown) => {
        if (isDomainError(error, "forbidden")) this.#refused = { pin: login.pin, error };
        throw error;
      });
      this.#failure = null;
    } catch (error) {
      await this.close();
      this.#opened = null;
      if (error instanceof DomainError)
        this.#failure = { error, untilMs: performance.now() + restMs };
      throw error;
    }
  }

  #fork(): ChildProcess {
    const child = fork(processFile, { serialization: "advanced", execArgv: [] });
    child.on("message", (message) => this.#settle(message as FromToken));
    child.on("error", () => child.kill("SIGKILL"));
    child.once("exit", (status, signal) => {
      this.#child = null;
      this.#opened = null;
      const how = signal ?? `status ${status}`;
      for (const [id] of this.#waiting)
        this.#settle({
          id,
          ok: false,
          code: "authority-unavailable",
          message: `the process with the library of the token has ended (${how}): another one is started`,
        });
    });
    return child;
  }

  #ask(call: TokenCall): Promise<Uint8Array | null> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | null>();
    const child = this.#child;
    this.#lastId += 1;
    const message: ToToken = { id: this.#lastId, call };
    // One that hangs in its library ends by nothing else.
    const timer = setTimeout(() => child?.kill("SIGKILL"), answerMsMax);
    this.#waiting.set(message.id, { resolve, reject, timer });
    if (child === null) this.#settle({ id: message.id, ...hasEnded });
    else
      child.send(message, (error) => {
        if (error !== null) this.#settle({ id: message.id, ...hasEnded });
      });
    return promise;
  }

  #settle(said: FromToken): void {
    const waiting = this.#waiting.get(said.id);
    if (waiting === undefined) return;
    this.#waiting.delete(said.id);
    clearTimeout(waiting.timer);
    if (said.ok) waiting.resolve(said.bytes);
    else waiting.reject(new DomainError(said.code, said.message));
  }
}

const hasEnded = {
  ok: false,
  code: "authority-unavailable",
  message: "the process with the library of the token has ended: another one is started",
} as const;

function bytesOf(bytes: Uint8Array | null): Uint8Array {
  if (bytes !== null) return bytes;
  throw new DomainError("authority-unavailable", "the token has answered nothing");
}

/** The program beside this file: TypeScript when run from the sources, JavaScript when built. */
const processFile = new URL(
  import.meta.url.endsWith(".ts") ? "./token-process.ts" : "./token-process.js",
  import.meta.url,
);
