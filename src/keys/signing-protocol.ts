import type { KeyObject } from "node:crypto";
import type { ErrorCode, ErrorContext } from "../kit/index.ts";
import type { CertificateProfile, GeneralName } from "../pki/index.ts";

/** What the pool tells a worker. */
export type ToWorker =
  | {
      readonly kind: "add-authority";
      readonly id: string;
      readonly privateKey: KeyObject;
      readonly certificateDer: Uint8Array;
    }
  | { readonly kind: "remove-authority"; readonly id: string }
  | { readonly kind: "batch"; readonly jobs: readonly WorkerJob[] };

export interface WorkerJob {
  readonly authorityId: string;
  readonly requestDer: Uint8Array;
  readonly profile: CertificateProfile;
  /** DER; null takes the request's own. */
  readonly subjectDer: Uint8Array | null;
  readonly subjectAltName: readonly GeneralName[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isProbe: boolean;
}

/** What a worker answers to one job of a batch, in the batch's order. */
export type WorkerResult =
  | { readonly ok: true; readonly der: Uint8Array; readonly serialHex: string }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly context: ErrorContext;
    };
