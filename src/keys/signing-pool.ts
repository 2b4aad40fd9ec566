import { createPublicKey, type KeyObject } from "node:crypto";
import { Worker } from "node:worker_threads";
import { assert, DomainError } from "../kit/index.ts";
import { bytesEqual } from "../pki/index.ts";
import type { Certificate, CertificateProfile, GeneralName, Name, Validity } from "../pki/index.ts";
import type { ToWorker, WorkerJob, WorkerResult } from "./signing-protocol.ts";

/** One certificate to be issued for a request whose signature the worker checks first. */
export interface SigningJob extends Validity {
  readonly authorityId: string;
  /** PKCS#10, DER. */
  readonly requestDer: Uint8Array;
  readonly profile: CertificateProfile;
  /** Null takes the request's own. */
  readonly subject: Name | null;
  readonly subjectAltName: readonly GeneralName[];
  readonly isProbe?: boolean;
}

export interface IssuedCertificate {
  readonly der: Uint8Array;
  readonly serialHex: string;
}

/** Worker threads that check requests and sign certificates, with the keys that they were given. */
export interface SigningPool {
  /** Gives every worker an authority's key, for jobs with this id; replaces an earlier one. */
  addAuthority(id: string, authority: { privateKey: KeyObject; certificate: Certificate }): void;
  removeAuthority(id: string): void;
  /**
   * Rejects with a DomainError: `signature-invalid`, `certificate-rejected`, `invalid-input` (the
   * request), `authority-unavailable` (no such id), `rate-limited` (too many are waiting).
   */
  issue(job: SigningJob): Promise<IssuedCertificate>;
  /** Ends the workers; jobs that are not done reject with `authority-unavailable`. */
  close(): Promise<void>;
}

/** Jobs in one message: as many as make the cost of a message small beside the work. */
const batchMax = 16;
/** At 5,000 certificates a second a job at the end of a full queue waits two seconds. */
const waitingMax = 10_000;

interface WaitingJob {
  readonly job: WorkerJob;
  readonly resolve: (issued: IssuedCertificate) => void;
  readonly reject: (error: Error) => void;
}

/** Starts `size` workers. */
export function createSigningPool(options: { size: number }): SigningPool {
  return new WorkerPool(options.size);
}

class WorkerPool implements SigningPool {
  readonly #authorities = new Map<string, ToWorker>();
  readonly #waiting: WaitingJob[] = [];
  readonly #slots: WorkerSlot[];
  #isScheduled = false;
  #isClosed = false;

  constructor(size: number) {
    assert(Number.isInteger(size) && size > 0, "a signing pool has at least one worker");
    this.#slots = Array.from({ length: size }, () => new WorkerSlot(() => this.#slotFreed()));
  }

  addAuthority(id: string, authority: { privateKey: KeyObject; certificate: Certificate }): void {
    const { privateKey, certificate } = authority;
    const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
    assert(bytesEqual(spki, certificate.spki), "an authority's key belongs to its certificate");
    const certificateDer = Uint8Array.from(certificate.der);
    const message: ToWorker = { kind: "add-authority", id, privateKey, certificateDer };
    this.#authorities.set(id, message);
    for (const slot of this.#slots) slot.tell(message);
  }

  removeAuthority(id: string): void {
    this.#authorities.delete(id);
    for (const slot of this.#slots) slot.tell({ kind: "remove-authority", id });
  }

  issue(job: SigningJob): Promise<IssuedCertificate> {
    if (this.#isClosed) return Promise.reject(workerEnded());
    if (this.#waiting.length >= waitingMax) {
      const message = "too many certificates are waiting to be signed; try again in a few seconds";
      return Promise.reject(new DomainError("rate-limited", message));
    }
    const { promise, resolve, reject } = Promise.withResolvers<IssuedCertificate>();
    this.#waiting.push({ job: messageOf(job), resolve, reject });
    this.#schedule();
    return promise;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(workerEnded());
    await Promise.all(this.#slots.map((slot) => slot.close()));
  }

  /** Waits until the event loop's turn ends: waking a worker costs more than telling it one job more. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#dispatch();
    });
  }

  /** Gives what is waiting to idle workers, each its share. */
  #dispatch(): void {
    for (const slot of this.#slots) {
      if (this.#waiting.length === 0) return;
      if (!slot.isIdle) continue;
      const share = Math.ceil(this.#waiting.length / this.#slots.length);
      slot.run(this.#waiting.splice(0, Math.min(batchMax, share)), this.#authorities.values());
    }
  }

  #slotFreed(): void {
    if (!this.#isClosed) this.#dispatch();
  }
}

/** The place of one worker, which is started when it is first needed, and again if it died. */
class WorkerSlot {
  readonly #onFree: () => void;
  #worker: Worker | null = null;
  #running: readonly WaitingJob[] | null = null;

  constructor(onFree: () => void) {
    this.#onFree = onFree;
  }

  get isIdle(): boolean {
    return this.#running === null;
  }

  /** Tells the worker something, if there is one; a later one is told when it starts. */
  tell(message: ToWorker): void {
    this.#worker?.postMessage(message);
  }

  run(batch: readonly WaitingJob[], authorities: Iterable<ToWorker>): void {
    this.#running = batch;
    try {
      if (this.#worker === null) {
        this.#worker = this.#start();
        for (const message of authorities) this.tell(message);
      }
      this.tell({ kind: "batch", jobs: batch.map(({ job }) => job) });
    } catch (cause) {
      this.#failRunning(cause);
    }
  }

  #failRunning(cause: unknown): void {
    const batch = this.#running ?? [];
    this.#running = null;
    for (const { reject } of batch) reject(workerEnded(cause));
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(workerFile);
    worker.on("message", (results: readonly WorkerResult[]) => {
      const batch = this.#running ?? [];
      this.#running = null;
      this.#onFree();
      for (const [index, waiting] of batch.entries()) settle(waiting, results[index]);
    });
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", () => {
      this.#worker = null;
      this.#failRunning(cause);
      this.#onFree();
    });
    return worker;
  }
}

function settle({ resolve, reject }: WaitingJob, result: WorkerResult | undefined): void {
  if (result === undefined) reject(workerEnded());
  else if (result.ok) resolve({ der: result.der, serialHex: result.serialHex });
  else reject(new DomainError(result.code, result.message, { context: result.context }));
}

/** The job in the worker's form; its bytes are copied, since a view would drag its buffer along. */
export function messageOf(job: SigningJob): WorkerJob {
  const { authorityId, profile, subjectAltName, notBeforeMs, notAfterMs, isProbe = false } = job;
  return {
    authorityId,
    requestDer: Uint8Array.from(job.requestDer),
    profile,
    subjectDer: job.subject === null ? null : Uint8Array.from(job.subject.der),
    subjectAltName,
    notBeforeMs,
    notAfterMs,
    isProbe,
  };
}

function workerEnded(cause?: unknown): DomainError {
  return new DomainError("authority-unavailable", "the signing worker has ended; try again", {
    cause,
  });
}

/** The worker beside this file: TypeScript when run from the sources, JavaScript when built. */
const workerFile = new URL(
  import.meta.url.endsWith(".ts") ? "./signing-worker.ts" : "./signing-worker.js",
  import.meta.url,
);
