import type { KeyObject } from "node:crypto";
import { rm } from "node:fs/promises";
import { isDomainError } from "../kit/index.ts";
import { leafTemplate, parseRequestPem, spkiFingerprint, type LeafText } from "../pki/index.ts";
import { ensureFolder, writeFileAtomic } from "./atomic-file.ts";
import { requestForKey } from "./issue.ts";
import { generateKeyPair } from "./key-pair.ts";
import { KeyProtection } from "./key-protection.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import { readSecretFile } from "./signer.ts";

/** A key whose certificate is being signed elsewhere, and the request for that. */
export interface PendingKey {
  readonly privateKey: KeyObject;
  readonly requestPem: string;
  /** Hex SHA-256 of its SubjectPublicKeyInfo. */
  readonly spki: string;
}

/** Where the key of a pending key is. */
export function pendingKeyFile(folder: string): string {
  return `${folder}/key.pem`;
}

/** Where the request of a pending key is. */
export function requestFile(folder: string): string {
  return `${folder}/request.csr`;
}

/**
 * Makes a key and a request that asks for all of `leaf`, and keeps both in `folder`; the request is
 * written last.
 */
export async function makePendingKey(
  folder: string,
  leaf: LeafText,
  keys = new KeyProtection(),
): Promise<PendingKey> {
  await dropPendingKey(folder);
  const { privateKey, spki } = await generateKeyPair("ecdsa-p256");
  const requestPem = await requestForKey(privateKey, leaf.subject, leafTemplate(leaf));
  await ensureFolder(folder, 0o700);
  await writeFileAtomic(pendingKeyFile(folder), await keys.toPem(privateKey), { mode: 0o600 });
  await writeFileAtomic(requestFile(folder), requestPem, { mode: 0o600 });
  return { privateKey, requestPem, spki: spkiFingerprint(spki, nodeCryptoPort) };
}

/** What `makePendingKey` kept; null: nothing. Throws `unauthenticated` for a missing or wrong passphrase. */
export async function readPendingKey(
  folder: string,
  keys = new KeyProtection(),
): Promise<PendingKey | null> {
  try {
    const requestPem = await readSecretFile(requestFile(folder));
    const path = pendingKeyFile(folder);
    const privateKey = await keys.fromPem(await readSecretFile(path), path);
    const spki = spkiFingerprint(parseRequestPem(requestPem).spki, nodeCryptoPort);
    return { privateKey, requestPem, spki };
  } catch (error) {
    if (isDomainError(error, "not-found")) return null;
    throw error;
  }
}

/** Removes what `makePendingKey` kept; does nothing where there is nothing. */
export async function dropPendingKey(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true });
}
