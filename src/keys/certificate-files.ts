import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, isDomainError } from "../kit/index.ts";
import { readCertificates, type Certificate } from "../pki/index.ts";

/**
 * Every certificate in files and folders that a person named: PEM, DER or PKCS#7. What else is in a
 * folder is passed over. Throws `not-found`, `read-only`, `invalid-input`.
 */
export async function readCertificateFiles(paths: readonly string[]): Promise<Certificate[]> {
  const found: Certificate[] = [];
  for (const path of paths) found.push(...(await certificatesAt(path)));
  return found;
}

async function certificatesAt(path: string): Promise<Certificate[]> {
  const names = await readdir(path).catch(() => null);
  if (names === null) return readCertificates(await contentOf(path), path);
  const found: Certificate[] = [];
  for (const name of names.toSorted()) {
    const file = join(path, name);
    try {
      found.push(...readCertificates(await readFile(file), file));
    } catch (error) {
      const isOther = isDomainError(error, "invalid-input");
      if (!isOther && (error as NodeJS.ErrnoException).code !== "EISDIR") throw error;
    }
  }
  if (found.length > 0) return found;
  throw new DomainError("invalid-input", `there is no certificate in the folder ${path}`);
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
