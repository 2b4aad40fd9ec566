import {
  createCipheriv,
  createDecipheriv,
  randomBytes,
  scrypt,
  type CipherGCM,
  type DecipherGCM,
  type ScryptOptions,
} from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { DomainError, isDomainError } from "../kit/index.ts";
import { ensureFolder, unfinishedPath } from "./atomic-file.ts";
import { nodeFileSystem, syncFolder, writeFailure } from "./file-system.ts";

/** One file inside a sealed one: its name there, and its text or where it is read from. */
export interface SealedPart {
  readonly name: string;
  readonly content: string | { readonly path: string };
}

/** The first line of a sealed file, in clear and authenticated with the rest. */
interface Header {
  readonly format: "gatehouse-backup";
  readonly version: number;
  readonly kdf: "scrypt";
  /** Cost, block size and parallelization of RFC 7914; salt and initialization vector in hex. */
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: string;
  readonly cipher: "aes-256-gcm";
  readonly iv: string;
}

const formatVersion = 1;
const cipher = "aes-256-gcm";
const cost = 65_536;
/** What a file may ask for: more is an attack on memory, not a backup. */
const costMax = 1_048_576;
const headerBytesMax = 4096;
const tagBytes = 16;

/**
 * Writes `parts` into one file that the passphrase encrypts and authenticates as a whole
 * (AES-256-GCM, its key by scrypt of RFC 7914). The file is complete and durable on return, or not
 * there. Throws `disk-full`, `read-only`, `not-found` (its folder).
 */
export async function writeSealedFile(
  path: string,
  passphrase: string,
  parts: readonly SealedPart[],
): Promise<void> {
  const header: Header = {
    format: "gatehouse-backup",
    version: formatVersion,
    kdf: "scrypt",
    cost,
    blockSize: 8,
    parallelization: 1,
    salt: randomBytes(32).toString("hex"),
    cipher,
    iv: randomBytes(12).toString("hex"),
  };
  const line = Buffer.from(`${JSON.stringify(header)}\n`);
  const key = await keyOf(header, passphrase);
  const encryption = createCipheriv(cipher, key, Buffer.from(header.iv, "hex"));
  encryption.setAAD(line);
  const temporary = unfinishedPath(path);
  try {
    const handle = await open(temporary, "wx", 0o600);
    try {
      await writeAll(handle, line);
      for (const part of parts) await encryptPart(handle, encryption, part);
      await writeAll(handle, encryption.final());
      await writeAll(handle, encryption.getAuthTag());
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path), nodeFileSystem);
  } catch (cause) {
    await rm(temporary, { force: true });
    if (isDomainError(cause)) throw cause;
    throw writeFailure(path, cause);
  }
}

async function encryptPart(
  handle: FileHandle,
  encryption: CipherGCM,
  { name, content }: SealedPart,
): Promise<void> {
  const bytes =
    typeof content === "string" ? Buffer.byteLength(content) : await sizeOf(content.path);
  await writeAll(handle, encryption.update(`${JSON.stringify({ name, bytes })}\n`));
  if (typeof content === "string") return writeAll(handle, encryption.update(content));
  for await (const chunk of createReadStream(content.path))
    await writeAll(handle, encryption.update(chunk as Buffer));
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    throw new DomainError("not-found", `${path} cannot be read: it is to be sealed`, { cause });
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length;)
    written += (await handle.write(bytes, written)).bytesWritten;
}

/**
 * Puts what `writeSealedFile` wrote into `folder`, made with mode 0700: each part under its name.
 * Nothing is looked at before the whole file has been authenticated. Throws `not-found`,
 * `invalid-input` for another kind of file or version, `forbidden` for a wrong passphrase or a
 * damaged file, `disk-full`, `read-only`. What it had written is removed then.
 */
export async function readSealedFile(
  path: string,
  passphrase: string,
  folder: string,
): Promise<void> {
  const { header, line } = await readHeader(path);
  const key = await keyOf(header, passphrase);
  const decryption = createDecipheriv(cipher, key, Buffer.from(header.iv, "hex"));
  decryption.setAAD(line);
  await ensureFolder(folder, 0o700);
  const plain = join(folder, ".plain");
  try {
    await decrypt(path, line.length, decryption, plain);
    await split(plain, folder);
    await rm(plain);
  } catch (cause) {
    await rm(folder, { recursive: true, force: true });
    if (isDomainError(cause)) throw cause;
    throw writeFailure(folder, cause);
  }
}

async function readHeader(path: string): Promise<{ header: Header; line: Buffer }> {
  const start = Buffer.alloc(headerBytesMax);
  let size = 0;
  try {
    const handle = await open(path, "r");
    try {
      size = (await handle.read(start, 0, headerBytesMax, 0)).bytesRead;
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw new DomainError("not-found", `${path} cannot be read: check the path`, { cause });
  }
  const end = start.subarray(0, size).indexOf("\n");
  const line = start.subarray(0, end + 1);
  return { header: checkedHeader(path, line), line };
}

function checkedHeader(path: string, line: Buffer): Header {
  let header: Partial<Header> = {};
  try {
    header = JSON.parse(line.toString("utf8")) as Partial<Header>;
  } catch {
    // Said below.
  }
  if (header.format !== "gatehouse-backup")
    throw new DomainError(
      "invalid-input",
      `${path} is not a backup that \`gatehouse backup\` made`,
    );
  const isKnown =
    header.version === formatVersion && header.kdf === "scrypt" && header.cipher === cipher;
  const isModest =
    Number(header.cost) <= costMax && header.blockSize === 8 && header.parallelization === 1;
  if (isKnown && isModest) return header as Header;
  throw new DomainError(
    "invalid-input",
    `${path} has format version ${String(header.version)}, and this version reads ${formatVersion}: use the version that made it, or a later one`,
  );
}

async function decrypt(
  path: string,
  from: number,
  decryption: DecipherGCM,
  plain: string,
): Promise<void> {
  const damaged = (cause?: unknown): DomainError =>
    new DomainError(
      "forbidden",
      `${path} cannot be opened: the passphrase is wrong, or the file is damaged`,
      { cause },
    );
  const { size } = await stat(path);
  const end = size - tagBytes;
  if (end < from) throw damaged();
  const handle = await open(plain, "wx", 0o600);
  try {
    if (end > from)
      for await (const chunk of createReadStream(path, { start: from, end: end - 1 }))
        await writeAll(handle, decryption.update(chunk as Buffer));
    const tag: Buffer[] = [];
    for await (const chunk of createReadStream(path, { start: end })) tag.push(chunk as Buffer);
    decryption.setAuthTag(Buffer.concat(tag));
    try {
      decryption.final();
    } catch (cause) {
      throw damaged(cause);
    }
  } finally {
    await handle.close();
  }
}

/** Writes each part of an authenticated text into its own file. */
async function split(plain: string, folder: string): Promise<void> {
  const { size } = await stat(plain);
  const handle = await open(plain, "r");
  try {
    for (let at = 0; at < size;) {
      const start = Buffer.alloc(headerBytesMax);
      const { bytesRead } = await handle.read(start, 0, headerBytesMax, at);
      const end = start.subarray(0, bytesRead).indexOf("\n");
      const { name, bytes } = JSON.parse(start.toString("utf8", 0, end)) as {
        name: string;
        bytes: number;
      };
      if (!/^[a-z0-9][a-z0-9.-]*$/i.test(name))
        throw new DomainError("invalid-input", "the backup holds a file with an impossible name");
      const from = at + end + 1;
      await copyRange(plain, { from, bytes }, join(folder, name));
      at = from + bytes;
    }
  } finally {
    await handle.close();
  }
}

async function copyRange(
  source: string,
  { from, bytes }: { readonly from: number; readonly bytes: number },
  target: string,
): Promise<void> {
  const handle = await open(target, "wx", 0o600);
  try {
    if (bytes > 0)
      for await (const chunk of createReadStream(source, { start: from, end: from + bytes - 1 }))
        await writeAll(handle, chunk as Buffer);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function keyOf(header: Header, passphrase: string): Promise<Buffer> {
  const { cost: N, blockSize: r, parallelization: p, salt } = header;
  // Node's own limit is below what these numbers need (128 N r bytes).
  const options: ScryptOptions = { N, r, p, maxmem: 129 * N * r + 1_048_576 };
  return promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)(
    passphrase.normalize("NFKC"),
    Buffer.from(salt, "hex"),
    32,
    options,
  );
}
