import { createPublicKey, hash, verify } from "node:crypto";
import type { CryptoPort, SignatureAlgorithm } from "../pki/index.ts";

/** The digest that node:crypto wants beside the key; null where the algorithm has its own. */
export const digestOf: Readonly<Record<SignatureAlgorithm, string | null>> = {
  "ecdsa-sha256": "sha256",
  "ecdsa-sha384": "sha384",
  "ecdsa-sha512": "sha512",
  "rsa-sha256": "sha256",
  "rsa-sha384": "sha384",
  "rsa-sha512": "sha512",
  ed25519: null,
};

/** The cryptography of `pki`, by node:crypto. */
export const nodeCryptoPort: CryptoPort = {
  sha256: (bytes) => Uint8Array.from(hash("sha256", bytes, "buffer")),
  verify: (spki, message, signature, algorithm) =>
    withoutStackTraces(() => {
      try {
        const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
        return verify(digestOf[algorithm], message, key, signature);
      } catch {
        return false;
      }
    }),
};

/**
 * Runs synchronous `work` without collecting stack traces. Node 24 collects one for each KeyObject
 * that it makes, which costs more than a third of verifying a request.
 */
export function withoutStackTraces<T>(work: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}
