import type { KeyObject } from "node:crypto";
import type { HomeLayout } from "../domain/index.ts";
import { spkiFingerprint } from "../pki/index.ts";
import type { TrustKey } from "../control/index.ts";
import {
  ensureFolder,
  generateKeyPair,
  keyPairOf,
  nodeCryptoPort,
  privateKeyToPem,
  readPrivateKeyFile,
  signEnvelope,
  writeFileAtomic,
} from "../keys/index.ts";

/** Makes the domain's trust-signing key (Ed25519) in an empty home folder. */
export async function createTrustKey(layout: HomeLayout): Promise<TrustKey> {
  const { privateKey } = await generateKeyPair("ed25519");
  await ensureFolder(layout.authorityKeys, 0o700);
  await writeFileAtomic(layout.trustKey, privateKeyToPem(privateKey), { mode: 0o600 });
  return trustKeyOf(privateKey);
}

/** Reads the trust-signing key. Throws `not-found` where this host does not hold it. */
export async function readTrustKey(layout: HomeLayout): Promise<TrustKey> {
  return trustKeyOf(await readPrivateKeyFile(layout.trustKey));
}

function trustKeyOf(privateKey: KeyObject): TrustKey {
  const { spki } = keyPairOf(privateKey);
  return {
    spki,
    keyId: spkiFingerprint(spki, nodeCryptoPort),
    sign: async (kind, payload) => signEnvelope(kind, payload, privateKey),
  };
}
