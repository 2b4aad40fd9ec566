import type { KeyObject } from "node:crypto";
import { DomainError, isDomainError } from "../kit/index.ts";
import { decodeOnePem, readEncryptedPrivateKey } from "../pki/index.ts";
import {
  costsAsNew,
  decryptedKey,
  derivedKey,
  encryptedPem,
  newDerivation,
  type Derivation,
} from "./encrypted-key.ts";
import { isEncryptedPem, privateKeyFromPem, privateKeyToPem } from "./key-pair.ts";
import { noKeyIn, readSecretFile } from "./signer.ts";

/** The passphrases of some key files, as they are handed to another process of the same host. */
export interface Passphrases {
  /** By which keys are written; null: they are not encrypted. */
  readonly current: string | null;
  /** By which files may still be encrypted that were written before. */
  readonly former: readonly string[];
}

/**
 * How the key files of a process are protected: how keys are written, and what opens those that are
 * there. While a passphrase is being changed, files under either are read, and files without one.
 * Keys under one passphrase share its salt, so that many cost no more time than one.
 */
export class KeyProtection {
  #of: Passphrases = { current: null, former: [] };
  /** How keys are written under the current passphrase; made, or found in a file, when first needed. */
  #derivation: Derivation | null = null;
  readonly #derived = new Map<string, Promise<Buffer>>();

  constructor(current: string | null = null, former: readonly string[] = []) {
    this.take({ current, former });
  }

  get passphrases(): Passphrases {
    return this.#of;
  }

  /** Takes other passphrases; an empty one stands for none, as documented. */
  take({ current, former }: Passphrases): void {
    if (JSON.stringify([current, former]) === JSON.stringify([this.#of.current, this.#of.former]))
      return;
    if (current !== this.#of.current) this.#derivation = null;
    this.#of = { current: current || null, former: former.filter((each) => each !== "") };
    this.#derived.clear();
  }

  /** The key as a file is to hold it. */
  async toPem(key: KeyObject): Promise<string> {
    const { current } = this.#of;
    if (current === null) return privateKeyToPem(key);
    const derivation = (this.#derivation ??= newDerivation());
    return encryptedPem(key, derivation, await this.#derive(current, derivation));
  }

  /** The key in a file, which `what` names. Throws `unauthenticated`, `invalid-input`. */
  async fromPem(pem: string, what: string): Promise<KeyObject> {
    if (!isEncryptedPem(pem)) return privateKeyFromPem(pem, { what });
    const { current, former } = this.#of;
    const known = current === null ? former : [current, ...former];
    for (const passphrase of known) {
      const key = await this.#open(pem, passphrase);
      if (key !== null) return key;
    }
    throw new DomainError(
      "unauthenticated",
      known.length === 0
        ? `${what} is encrypted; give its passphrase`
        : `the passphrase of ${what} is wrong`,
    );
  }

  /** The key in a file; errors as `readPrivateKeyFile`. */
  async read(path: string): Promise<KeyObject> {
    const pem = await readSecretFile(path);
    return this.fromPem(pem, path).catch((cause: unknown) => {
      throw isDomainError(cause, "invalid-input") ? noKeyIn(path, cause) : cause;
    });
  }

  /** True if a file holds its key as it would be written now. */
  async isCurrent(pem: string): Promise<boolean> {
    const { current } = this.#of;
    if (!isEncryptedPem(pem)) return current === null;
    return current !== null && (await this.#open(pem, current)) !== null;
  }

  async #open(pem: string, passphrase: string): Promise<KeyObject | null> {
    const encrypted = scryptEncrypted(pem);
    if (encrypted === null) return openedOtherwise(pem, passphrase);
    const derived = await this.#derive(passphrase, encrypted).catch(() => null);
    const key = derived && decryptedKey(encrypted, derived);
    if (key !== null && passphrase === this.#of.current && costsAsNew(encrypted))
      this.#derivation ??= encrypted;
    return key;
  }

  #derive(passphrase: string, of: Derivation): Promise<Buffer> {
    const { salt, cost, blockSize, parallelization } = of;
    const known = [passphrase, Buffer.from(salt).toString("hex"), cost, blockSize, parallelization];
    const name = JSON.stringify(known);
    const derived = this.#derived.get(name) ?? derivedKey(passphrase, of);
    this.#derived.set(name, derived);
    return derived;
  }
}

function scryptEncrypted(pem: string): ReturnType<typeof readEncryptedPrivateKey> {
  try {
    return readEncryptedPrivateKey(decodeOnePem(pem, ["ENCRYPTED PRIVATE KEY"], "the key"));
  } catch {
    return null;
  }
}

/** One that another program encrypted; null if the passphrase does not fit. */
function openedOtherwise(pem: string, passphrase: string): KeyObject | null {
  try {
    return privateKeyFromPem(pem, { what: "the key", passphrase });
  } catch (error) {
    if (isDomainError(error, "unauthenticated")) return null;
    throw error;
  }
}
