export {
  generateKeyPair,
  keyPairOf,
  privateKeyFromPem,
  privateKeyToPem,
  signBytes,
  type KeyAlgorithm,
  type KeyPair,
} from "./key-pair.ts";
export { nodeCryptoPort } from "./node-crypto-port.ts";
