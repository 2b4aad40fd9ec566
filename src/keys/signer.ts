import type { KeyObject } from "node:crypto";
import { open } from "node:fs/promises";
import { DomainError, isDomainError } from "../kit/index.ts";
import { defaultSignatureAlgorithm, describePublicKey } from "../pki/index.ts";
import type { SignatureAlgorithm } from "../pki/index.ts";
import { systemCode } from "./file-system.ts";
import { keyPairOf, privateKeyFromPem, signBytes } from "./key-pair.ts";

/** Something that signs, wherever its key is. */
export interface Signer {
  readonly algorithm: SignatureAlgorithm;
  /** SubjectPublicKeyInfo of its key, DER. */
  readonly spki: Uint8Array;
  /** With `algorithm` of its own, unless another is given that fits its key. */
  sign(message: Uint8Array, algorithm?: SignatureAlgorithm): Promise<Uint8Array>;
}

/** A signer over a key in memory. */
export function keySigner(privateKey: KeyObject): Signer {
  const { spki } = keyPairOf(privateKey);
  const algorithm = defaultSignatureAlgorithm(describePublicKey(spki));
  return {
    algorithm,
    spki,
    sign: async (message, other) => signBytes(privateKey, message, other ?? algorithm),
  };
}

/** A signer over the key in a PEM file; errors as `readPrivateKeyFile`. */
export async function fileSigner(
  path: string,
  options: { passphrase?: string } = {},
): Promise<Signer> {
  return keySigner(await readPrivateKeyFile(path, options));
}

/**
 * The private key in a PEM file that only its owner may read. A DomainError `not-found`,
 * `forbidden` (we may not read it, or others may too), `unauthenticated` (passphrase missing or
 * wrong) or `state-corrupt` (no key).
 */
export async function readPrivateKeyFile(
  path: string,
  options: { passphrase?: string } = {},
): Promise<KeyObject> {
  const pem = await readSecretFile(path);
  try {
    return privateKeyFromPem(pem, { what: path, ...options });
  } catch (cause) {
    throw isDomainError(cause, "invalid-input") ? noKeyIn(path, cause) : cause;
  }
}

/** What a file is told that is to hold a private key and holds none. */
export function noKeyIn(path: string, cause: unknown): DomainError {
  return new DomainError(
    "state-corrupt",
    `${path} is not a private key in PEM form: restore it from a backup`,
    { cause },
  );
}

/** The text of a file that only its owner may read. Throws `not-found`, `forbidden`. */
export async function readSecretFile(path: string): Promise<string> {
  try {
    const handle = await open(path, "r");
    try {
      const { mode } = await handle.stat();
      if ((mode & 0o077) !== 0) {
        const found = (mode & 0o777).toString(8).padStart(4, "0");
        throw new DomainError(
          "forbidden",
          `${path} has permissions ${found}, so that others can read the key: run \`chmod 0600 ${path}\``,
        );
      }
      return await handle.readFile("utf8");
    } finally {
      await handle.close();
    }
  } catch (cause) {
    const code = systemCode(cause);
    if (code === "ENOENT") {
      throw new DomainError("not-found", `there is no key file ${path}`, { cause });
    }
    if (code === "EACCES" || code === "EPERM") {
      throw new DomainError("forbidden", `the key file ${path} cannot be read; check its owner`, {
        cause,
      });
    }
    throw cause;
  }
}
