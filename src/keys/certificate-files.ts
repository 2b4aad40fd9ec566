import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { DomainError } from "../kit/index.ts";
import { isMeantAsCertificates, readCertificates, type Certificate } from "../pki/index.ts";

/** What files and folders that a person named hold. */
export interface GivenCertificates {
  readonly certificates: readonly Certificate[];
  /** One line for each file that is meant to hold certificates and cannot be read as such. */
  readonly unreadable: readonly string[];
}

/**
 * Every certificate in files and folders: PEM, DER or PKCS#7. In a folder what is meant as something
 * else is passed over. Throws `not-found`, `read-only`, and `invalid-input` where there is none at all.
 */
export async function collectCertificates(paths: readonly string[]): Promise<GivenCertificates> {
  const certificates: Certificate[] = [];
  const unreadable: string[] = [];
  for (const path of paths)
    for (const { file, isNamed } of await filesAt(path)) {
      const bytes = await contentOf(file);
      try {
        certificates.push(...readCertificates(bytes, file));
      } catch (error) {
        if (!(error instanceof DomainError)) throw error;
        const isMeant = isNamed || isMeantAsCertificates(bytes, extname(file).toLowerCase());
        const { message } = error;
        if (isMeant) unreadable.push(message.startsWith(file) ? message : `${file}: ${message}`);
      }
    }
  const [first] = unreadable;
  if (certificates.length > 0 || paths.length === 0) return { certificates, unreadable };
  throw new DomainError(
    "invalid-input",
    first ?? `there is no certificate in the folder ${paths.join(", ")}`,
  );
}

/** The same where all of them are needed. Throws `invalid-input` for a file that cannot be read, too. */
export async function readCertificateFiles(paths: readonly string[]): Promise<Certificate[]> {
  const { certificates, unreadable } = await collectCertificates(paths);
  const [first] = unreadable;
  if (first === undefined) return [...certificates];
  throw new DomainError("invalid-input", first);
}

async function filesAt(path: string): Promise<{ file: string; isNamed: boolean }[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => null);
  if (entries === null) return [{ file: path, isNamed: true }];
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => ({ file: join(path, name), isNamed: false }))
    .toSorted((a, b) => (a.file < b.file ? -1 : 1));
}

async function contentOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw isMissing
      ? new DomainError("not-found", `${path} does not exist: check the path`, { cause })
      : new DomainError("read-only", `${path} cannot be read: check its owner and mode`, { cause });
  }
}
