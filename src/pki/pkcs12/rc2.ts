import { fromHex } from "../../kit/index.ts";

/** PITABLE of RFC 2268 section 2. */
const table = fromHex(
  "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2" +
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82" +
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626" +
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7" +
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec" +
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731" +
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9" +
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad",
);

/** The 64 words that a key expands to (RFC 2268 section 2); its effective bits are all of them. */
function expandedKey(key: Uint8Array): Uint16Array {
  const bytes = new Uint8Array(128);
  bytes.set(key);
  const at = (index: number): number => bytes[index] as number;
  for (let i = key.length; i < 128; i++) {
    bytes[i] = table[(at(i - 1) + at(i - key.length)) & 0xff] as number;
  }
  bytes[128 - key.length] = table[at(128 - key.length)] as number;
  for (let i = 127 - key.length; i >= 0; i--) {
    bytes[i] = table[at(i + 1) ^ at(i + key.length)] as number;
  }
  return Uint16Array.from({ length: 64 }, (_, i) => at(2 * i) | (at(2 * i + 1) << 8));
}

const rotations = [1, 2, 3, 5];
/** Rounds after which a mashing round stands, counted from the end as decryption goes. */
const mashAfter = new Set([11, 5]);

/** Undoes RC2 (RFC 2268 section 4) for the block of four words in `words`. */
function decryptBlock(words: Uint16Array, key: Uint16Array): void {
  const word = (index: number): number => words[(index + 4) % 4] as number;
  for (let round = 15; round >= 0; round--) {
    for (let i = 3; i >= 0; i--) {
      const rotation = rotations[i] as number;
      const turned = (word(i) >>> rotation) | (word(i) << (16 - rotation));
      const mixed = (word(i - 1) & word(i - 2)) + (~word(i - 1) & word(i - 3));
      words[i] = turned - (key[4 * round + i] as number) - mixed;
    }
    if (!mashAfter.has(round)) continue;
    for (let i = 3; i >= 0; i--) words[i] = word(i) - (key[word(i - 1) & 63] as number);
  }
}

/**
 * Decrypts RC2 in CBC mode with PKCS#7 padding, null where the padding is wrong. It is only for
 * reading containers that old programs wrote: OpenSSL 3 has it in no provider that is loaded, and
 * nothing is encrypted by it here (docs/decisions/0016).
 */
export function decryptRc2(
  key: Uint8Array,
  initializationVector: Uint8Array,
  encrypted: Uint8Array,
): Uint8Array | null {
  if (encrypted.length === 0 || encrypted.length % 8 !== 0) return null;
  const expanded = expandedKey(key);
  const plain = new Uint8Array(encrypted.length);
  let previous = initializationVector;
  for (let start = 0; start < encrypted.length; start += 8) {
    const block = encrypted.subarray(start, start + 8);
    const byte = (index: number): number => block[index] as number;
    const words = Uint16Array.from({ length: 4 }, (_, i) => byte(2 * i) | (byte(2 * i + 1) << 8));
    decryptBlock(words, expanded);
    for (let i = 0; i < 8; i++) {
      const half = ((words[i >> 1] as number) >> (8 * (i & 1))) & 0xff;
      plain[start + i] = half ^ (previous[i] as number);
    }
    previous = block;
  }
  const padding = plain.at(-1) as number;
  const isPadded =
    padding >= 1 && padding <= 8 && plain.subarray(-padding).every((each) => each === padding);
  return isPadded ? plain.subarray(0, -padding) : null;
}
