import type { KeyObject } from "node:crypto";
import { isDomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import { recordSealingKey } from "../control/index.ts";
import { generateKeyPair, keyPairOf, type KeyPair } from "../keys/index.ts";
import type { AdminState } from "./admin-state.ts";
import type { KeyFiles } from "./key-files.ts";

/**
 * The key of this Admin Node Manager for which others seal what they share with it; it is used for
 * nothing else. Made when the home does not have it yet. Errors as `KeyFiles.read`.
 */
export async function ensureSealingKey(
  layout: Pick<HomeLayout, "sealingKey">,
  files: KeyFiles,
): Promise<KeyPair> {
  return keyPairOf(await readOrMake(layout, files));
}

async function readOrMake(
  { sealingKey }: Pick<HomeLayout, "sealingKey">,
  files: KeyFiles,
): Promise<KeyObject> {
  try {
    return await files.read(sealingKey);
  } catch (error) {
    if (!isDomainError(error, "not-found")) throw error;
  }
  const { privateKey } = await generateKeyPair("ecdsa-p256");
  await files.write(sealingKey, privateKey);
  return privateKey;
}

/** Makes the sealing key if need be, and says in the store what it is: others seal for it from then on. */
export async function announceSealingKey({
  env,
  layout,
  hostId,
}: Pick<AdminState, "env" | "layout" | "hostId">): Promise<void> {
  const { spki } = await ensureSealingKey(layout, env.authorityKeys.files);
  await recordSealingKey(env, hostId, Buffer.from(spki).toString("base64"));
}
