import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hash,
  pbkdf2Sync,
  randomBytes,
} from "node:crypto";
import type { Pkcs12Crypto } from "../pki/index.ts";

/** The cryptography of PKCS#12 containers, by node:crypto. */
export const pkcs12Crypto: Pkcs12Crypto = {
  digest: (name, bytes) => Uint8Array.from(hash(name, bytes, "buffer")),
  hmac: (name, key, bytes) => Uint8Array.from(createHmac(name, key).update(bytes).digest()),
  pbkdf2: (name, passphrase, salt, iterations, keyBytes) =>
    Uint8Array.from(pbkdf2Sync(passphrase, salt, iterations, keyBytes, name)),
  encrypt: (name, key, initializationVector, plain) => {
    const cipher = createCipheriv(name, key, initializationVector);
    return Uint8Array.from(Buffer.concat([cipher.update(plain), cipher.final()]));
  },
  decrypt: (name, key, initializationVector, encrypted) => {
    const decipher = createDecipheriv(name, key, initializationVector);
    try {
      return Uint8Array.from(Buffer.concat([decipher.update(encrypted), decipher.final()]));
    } catch {
      return null;
    }
  },
  random: (length) => Uint8Array.from(randomBytes(length)),
};
