import type { ErrorCode } from "../kit/index.ts";

/** Where a token is: the library of its maker, and what the token calls itself. */
export interface TokenAddress {
  /** Path of the PKCS#11 library. */
  readonly module: string;
  /** The label of the token. */
  readonly token: string;
}

/** What the process with the library is asked; keys are named by their labels in the token. */
export type TokenCall =
  | ({ readonly kind: "open"; readonly pin: string } & TokenAddress)
  /** A P-256 key that cannot leave the token; answers with its public point. */
  | { readonly kind: "generate"; readonly label: string }
  /** Answers with the public point, or null where there is no such key. */
  | { readonly kind: "find"; readonly label: string }
  /** ECDSA over a digest of at most 32 bytes; answers with r and s, 32 bytes each. */
  | { readonly kind: "sign"; readonly label: string; readonly digest: Uint8Array }
  /** Destroys the key; answers with null where there was none. */
  | { readonly kind: "destroy"; readonly label: string };

export interface ToToken {
  readonly id: number;
  readonly call: TokenCall;
}

/** The answer to one call. */
export type FromToken =
  | { readonly id: number; readonly ok: true; readonly bytes: Uint8Array | null }
  | { readonly id: number; readonly ok: false; readonly code: ErrorCode; readonly message: string };
