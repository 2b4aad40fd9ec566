import type { KeyObject } from "node:crypto";
import { rm } from "node:fs/promises";
import { isDomainError } from "../kit/index.ts";
import { leafTemplate, parseRequestPem, spkiFingerprint, type LeafText } from "../pki/index.ts";
import { ensureFolder, writeFileAtomic } from "./atomic-file.ts";
import { requestForKey } from "./issue.ts";
import {
  encryptedPrivateKeyPem,
  generateKeyPair,
  privateKeyFromPem,
  privateKeyToPem,
} from "./key-pair.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import { readSecretFile } from "./signer.ts";

/** A key whose certificate is being signed elsewhere, and the request for that. */
export interface PendingKey {
  readonly privateKey: KeyObject;
  readonly requestPem: string;
  /** Hex SHA-256 of its SubjectPublicKeyInfo. */
  readonly spki: string;
}

const keyFile = (folder: string): string => `${folder}/key.pem`;

/** Where the request of a pending key is. */
export function requestFile(folder: string): string {
  return `${folder}/request.csr`;
}

/**
 * Makes a key and a request that asks for all of `leaf`, and keeps both in `folder`; the request is
 * written last. A passphrase encrypts the key.
 */
export async function makePendingKey(
  folder: string,
  leaf: LeafText,
  passphrase: string | null = null,
): Promise<PendingKey> {
  await dropPendingKey(folder);
  const { privateKey, spki } = await generateKeyPair("ecdsa-p256");
  const requestPem = await requestForKey(privateKey, leaf.subject, leafTemplate(leaf));
  await ensureFolder(folder, 0o700);
  const pem =
    passphrase === null
      ? privateKeyToPem(privateKey)
      : await encryptedPrivateKeyPem(privateKey, passphrase);
  await writeFileAtomic(keyFile(folder), pem, { mode: 0o600 });
  await writeFileAtomic(requestFile(folder), requestPem, { mode: 0o600 });
  return { privateKey, requestPem, spki: spkiFingerprint(spki, nodeCryptoPort) };
}

/** What `makePendingKey` kept; null: nothing. Throws `unauthenticated` for a missing or wrong passphrase. */
export async function readPendingKey(
  folder: string,
  passphrase: string | null = null,
): Promise<PendingKey | null> {
  try {
    const requestPem = await readSecretFile(requestFile(folder));
    const privateKey = privateKeyFromPem(await readSecretFile(keyFile(folder)), {
      what: keyFile(folder),
      ...(passphrase === null ? {} : { passphrase }),
    });
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
