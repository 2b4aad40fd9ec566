import type { KeyObject } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, isDomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import {
  encryptedPrivateKeyPem,
  ensureFolder,
  isEncryptedPem,
  makePkcs12,
  openPkcs12,
  privateKeyFromPem,
  privateKeyToPem,
  readSecretFile,
  writeFileAtomic,
  type KeyAndChain,
} from "../keys/index.ts";

type Layout = Pick<HomeLayout, "authorityKeys" | "trustKey" | "domainKey">;

/**
 * The files with the keys that a passphrase protects: those of the authorities, and the sealing key,
 * which opens the copies of them in the store. Not the trust-signing key: a locked Admin Node Manager
 * still has to serve signed documents and to revoke.
 */
export class KeyFiles {
  readonly #layout: Layout;
  /** Decrypting takes long on purpose: a file that did not change is not decrypted again. */
  readonly #known = new Map<string, { readonly pem: string; readonly key: KeyObject }>();
  #passphrase: string | null = null;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Writes every key encrypted from now on. */
  protectWith(passphrase: string): void {
    this.#passphrase = passphrase;
  }

  /** True while there are encrypted files and the passphrase is not known. */
  async isLocked(): Promise<boolean> {
    return (
      this.#passphrase === null && (await this.#files()).some(({ pem }) => isEncryptedPem(pem))
    );
  }

  /** The files that whoever reads them can use. */
  async unprotected(): Promise<string[]> {
    return (await this.#files()).flatMap(({ path, pem }) => (isEncryptedPem(pem) ? [] : [path]));
  }

  /** Takes the passphrase. False if nothing was locked. Throws `forbidden` if it is wrong. */
  async unlock(passphrase: string): Promise<boolean> {
    if (!(await this.isLocked())) return false;
    for (const { path, pem } of await this.#files()) {
      if (!isEncryptedPem(pem)) continue;
      this.#known.set(path, { pem, key: decrypted(path, pem, passphrase) });
      break;
    }
    this.#passphrase = passphrase;
    return true;
  }

  /** Throws `not-found`, `authority-unavailable` for what is locked, and as `readPrivateKeyFile`. */
  async read(path: string): Promise<KeyObject> {
    const pem = await readSecretFile(path);
    const known = this.#known.get(path);
    if (known?.pem === pem) return known.key;
    const passphrase = this.#passphrase;
    if (isEncryptedPem(pem) && passphrase === null) throw locked();
    const key =
      passphrase === null
        ? privateKeyFromPem(pem, { what: path })
        : privateKeyFromPem(pem, { what: path, passphrase });
    this.#known.set(path, { pem, key });
    return key;
  }

  /** Writes a key as the others are: encrypted, or not. Throws `authority-unavailable` while locked. */
  async write(path: string, key: KeyObject): Promise<void> {
    if (await this.isLocked()) throw locked();
    const passphrase = this.#passphrase;
    const pem =
      passphrase === null ? privateKeyToPem(key) : await encryptedPrivateKeyPem(key, passphrase);
    await ensureFolder(this.#layout.authorityKeys, 0o700);
    await writeFileAtomic(path, pem, { mode: 0o600 });
    this.#known.set(path, { pem, key });
  }

  /** A PKCS#12 container that the passphrase of these files opens. */
  container(content: KeyAndChain): Uint8Array {
    return makePkcs12(content, { passphrase: this.#passphrase ?? "", friendlyName: "domain" });
  }

  /** What a container holds that the passphrase of these files opens. Throws as `openPkcs12`. */
  contents(container: Uint8Array, what: string): KeyAndChain {
    return openPkcs12(container, this.#passphrase ?? "", what);
  }

  #files(): Promise<KeyFile[]> {
    return protectedKeyFiles(this.#layout);
  }
}

interface KeyFile {
  readonly name: string;
  readonly path: string;
  readonly pem: string;
}

/** Every key file of a home that a passphrase protects, or would. */
export async function protectedKeyFiles(layout: Layout): Promise<KeyFile[]> {
  const { authorityKeys, trustKey, domainKey } = layout;
  const names = await readdir(authorityKeys).catch((): string[] => []);
  const files: KeyFile[] = [];
  for (const name of names.toSorted()) {
    const path = join(authorityKeys, name);
    const isKey = path === domainKey || (name.endsWith(".key.pem") && !name.startsWith("."));
    if (!isKey || path === trustKey) continue;
    // One that cannot be read is no key that a passphrase protects; who needs it is told why.
    files.push({ name, path, pem: await readFile(path, "utf8").catch(() => "") });
  }
  return files;
}

/** The key in a file, by a passphrase that a person gave. Throws `forbidden` if that is wrong. */
export function decrypted(path: string, pem: string, passphrase: string): KeyObject {
  try {
    return privateKeyFromPem(pem, { what: path, passphrase });
  } catch (error) {
    if (!isDomainError(error, "unauthenticated")) throw error;
    throw new DomainError("forbidden", "the passphrase is wrong: it does not open the keys");
  }
}

function locked(): DomainError {
  return new DomainError(
    "authority-unavailable",
    "the keys of this Admin Node Manager are locked: `gatehouse authority unlock` on its host unlocks them",
  );
}
