import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { openPkcs12, privateKeyFromPem, systemCode } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { bytesEqual, readCertificates, type Certificate } from "../pki/index.ts";
import type { Description, FileEntry } from "./description.ts";
import { secretOf } from "./secret.ts";

/** What somebody placed by hand for a server. */
export interface FoundCredential {
  readonly key: KeyObject;
  readonly leaf: Certificate;
  /** What follows it in its file, as it is there. */
  readonly chain: readonly Certificate[];
}

/**
 * Reads the key and the certificate that a server uses that was set up by hand: from the paths of its
 * files with `visible: swap`, else from those that `found` names. Throws `not-found`, `forbidden` or
 * `invalid-input` with the file.
 */
export async function readFound(description: Description): Promise<FoundCredential> {
  const { files, visible, found, name } = description;
  if (found !== undefined) return fromFiles(found.key, [found.certificate]);
  if (visible === "link")
    throw new DomainError(
      "invalid-input",
      `the driver ${name} does not say where the files are that were placed by hand: add found, with key and certificate`,
    );
  const pathOf = (...kinds: FileEntry["what"][]): string | undefined =>
    files.find(({ what }) => kinds.includes(what))?.path;
  const container = files.find(({ what }) => what === "pkcs12");
  if (container !== undefined) return fromContainer(container);
  const key = pathOf("key", "combined") ?? "";
  const certificate = pathOf("certificate-and-chain", "combined", "certificate") ?? "";
  const chain = pathOf("chain");
  return fromFiles(key, chain === undefined ? [certificate] : [certificate, chain]);
}

async function fromFiles(keyPath: string, paths: readonly string[]): Promise<FoundCredential> {
  const key = keyFrom(await content(keyPath), keyPath);
  const all: Certificate[] = [];
  for (const path of paths) all.push(...readCertificates(await content(path), path));
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  const leaf = all.find((each) => bytesEqual(each.spki, Uint8Array.from(spki)));
  if (leaf === undefined)
    throw new DomainError(
      "invalid-input",
      `${keyPath} is not the key of a certificate in ${paths.join(" or ")}: put the files there that belong together`,
    );
  return { key, leaf, chain: all.filter((each) => each !== leaf) };
}

async function fromContainer({ path, passphrase }: FileEntry): Promise<FoundCredential> {
  const secret = passphrase === undefined ? "" : await secretOf(passphrase, path);
  const {
    privateKey: key,
    certificate: leaf,
    chain,
  } = openPkcs12(await content(path), secret, path);
  return { key, leaf, chain };
}

function keyFrom(bytes: Buffer, path: string): KeyObject {
  const text = bytes.toString("latin1");
  if (text.includes("-----BEGIN ")) return privateKeyFromPem(text, { what: path });
  try {
    return createPrivateKey({ key: bytes, format: "der", type: "pkcs8" });
  } catch (cause) {
    throw new DomainError("invalid-input", `${path} is not a private key`, { cause });
  }
}

async function content(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const isMissing = systemCode(cause) === "ENOENT";
    throw new DomainError(
      isMissing ? "not-found" : "forbidden",
      isMissing
        ? `${path} is not there: it was to be found on the host`
        : `${path} cannot be read by the Node Manager: give it the right to`,
      { cause },
    );
  }
}
