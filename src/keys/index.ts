export { ensureFolder, writeFileAtomic, writeNewFile, type FileAccess } from "./atomic-file.ts";
export {
  nodeFileSystem,
  syncFolder,
  systemCode,
  writeFailure,
  type FileSystem,
} from "./file-system.ts";
export {
  currentSequence,
  installGeneration,
  listGenerations,
  presentGeneration,
  protectGenerations,
  protectKeyFile,
  pruneGenerations,
  readCurrent,
  readGeneration,
  recoverGenerations,
  type Generation,
  type GenerationOptions,
} from "./generation.ts";
export { certificatesPem, chainAbove, sortChain } from "./chain.ts";
export { readConfiguredSecret } from "./configured-secret.ts";
export {
  collectCertificates,
  readCertificateFiles,
  type GivenCertificates,
} from "./certificate-files.ts";
export { issueCertificate, issueRequest, requestForKey } from "./issue.ts";
export {
  encryptedPrivateKeyPem,
  generateKeyPair,
  isEncryptedPem,
  keyPairOf,
  privateKeyFromPem,
  privateKeyToPem,
  signBytes,
  type KeyAlgorithm,
  type KeyPair,
} from "./key-pair.ts";
export { KeyProtection, type Passphrases } from "./key-protection.ts";
export { nodeCryptoPort } from "./node-crypto-port.ts";
export {
  dropPendingKey,
  makePendingKey,
  pendingKeyFile,
  readPendingKey,
  requestFile,
  type PendingKey,
} from "./pending-key.ts";
export { makePkcs12, openPkcs12, type KeyAndChain } from "./pkcs12.ts";
export { seal, sealByPassphrase, unseal, unsealByPassphrase } from "./sealed.ts";
export { readSealedFile, writeSealedFile, type SealedPart } from "./sealed-file.ts";
export { signEnvelope, verifyEnvelope, type SignedEnvelope } from "./signed-envelope.ts";
export { finishReplacement, replaceFiles } from "./replace-files.ts";
export { signRequest, unattendedLifetimeSeconds } from "./sign-request.ts";
export {
  fileSigner,
  keySigner,
  readPrivateKeyFile,
  readSecretFile,
  type Signer,
} from "./signer.ts";
export { makeHomeFolder } from "./make-home.ts";
