import type { Pkcs12Crypto, Pkcs12Hash } from "./crypto.ts";

/** What derived bytes are for (RFC 7292 B.3). */
export const derivedFor = { key: 1, initializationVector: 2, mac: 3 } as const;

/** A passphrase as PKCS#12 hashes it: UTF-16, big-endian, with two zero octets at its end. */
export function widePassphrase(passphrase: string): Uint8Array {
  const bytes = new Uint8Array((passphrase.length + 1) * 2);
  for (let i = 0; i < passphrase.length; i++) {
    const code = passphrase.charCodeAt(i);
    bytes[2 * i] = code >> 8;
    bytes[2 * i + 1] = code & 0xff;
  }
  return bytes;
}

/** `length` bytes from a passphrase, as RFC 7292 B.2 derives them. */
export function deriveBytes(
  input: {
    readonly hash: Pkcs12Hash;
    readonly passphrase: Uint8Array;
    readonly salt: Uint8Array;
    readonly iterations: number;
    readonly purpose: number;
    readonly length: number;
  },
  crypto: Pick<Pkcs12Crypto, "digest">,
): Uint8Array {
  const { hash, passphrase, salt, iterations, purpose, length } = input;
  const block = hash === "sha384" || hash === "sha512" ? 128 : 64;
  const diversifier = new Uint8Array(block).fill(purpose);
  const seed = joinBytes(repeated(salt, block), repeated(passphrase, block));
  const derived = new Uint8Array(length);
  for (let written = 0; written < length;) {
    let part = crypto.digest(hash, joinBytes(diversifier, seed));
    for (let round = 1; round < iterations; round++) part = crypto.digest(hash, part);
    derived.set(part.subarray(0, length - written), written);
    written += part.length;
    addToBlocks(seed, repeated(part, block).subarray(0, block));
  }
  return derived;
}

/** `bytes` again and again, up to the next multiple of `block`; nothing stays nothing. */
function repeated(bytes: Uint8Array, block: number): Uint8Array {
  const result = new Uint8Array(Math.ceil(bytes.length / block) * block);
  for (let i = 0; i < result.length; i++) result[i] = bytes[i % bytes.length] as number;
  return result;
}

/** Adds `summand` and one to each block of `seed`, all of them big-endian numbers. */
function addToBlocks(seed: Uint8Array, summand: Uint8Array): void {
  for (let start = 0; start < seed.length; start += summand.length) {
    let carry = 1;
    for (let i = summand.length - 1; i >= 0; i--) {
      carry += (seed[start + i] as number) + (summand[i] as number);
      seed[start + i] = carry & 0xff;
      carry >>= 8;
    }
  }
}

export function joinBytes(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
