import type { KeyObject } from "node:crypto";
import { isDomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import {
  ensureFolder,
  generateKeyPair,
  keyPairOf,
  privateKeyToPem,
  readPrivateKeyFile,
  writeFileAtomic,
  type KeyPair,
} from "../keys/index.ts";

/**
 * The key of this Admin Node Manager for which others seal what they share with it; it is used for
 * nothing else. Made when the home does not have it yet. Errors as `readPrivateKeyFile`.
 */
export async function ensureSealingKey(
  layout: Pick<HomeLayout, "authorityKeys" | "sealingKey">,
): Promise<KeyPair> {
  return keyPairOf(await readOrMake(layout));
}

async function readOrMake({
  authorityKeys,
  sealingKey,
}: Pick<HomeLayout, "authorityKeys" | "sealingKey">): Promise<KeyObject> {
  try {
    return await readPrivateKeyFile(sealingKey);
  } catch (error) {
    if (!isDomainError(error, "not-found")) throw error;
  }
  const { privateKey } = await generateKeyPair("ecdsa-p256");
  await ensureFolder(authorityKeys, 0o700);
  await writeFileAtomic(sealingKey, privateKeyToPem(privateKey), { mode: 0o600 });
  return privateKey;
}
