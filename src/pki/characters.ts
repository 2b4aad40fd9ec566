import { DomainError } from "../kit/index.ts";

/** UTF-8 bytes of `text`; a lone surrogate becomes U+FFFD. */
export function utf8Encode(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of text) {
    let code = character.codePointAt(0) ?? 0;
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), continuation(code));
    else if (code < 0x10000)
      bytes.push(0xe0 | (code >> 12), continuation(code >> 6), continuation(code));
    else
      bytes.push(
        0xf0 | (code >> 18),
        continuation(code >> 12),
        continuation(code >> 6),
        continuation(code),
      );
  }
  return Uint8Array.from(bytes);
}

function continuation(bits: number): number {
  return 0x80 | (bits & 0x3f);
}

/** Text of UTF-8 `bytes`; a DomainError `invalid-input` where they are not UTF-8 (RFC 3629). */
export function utf8Decode(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length;) {
    const lead = bytes[i++] as number;
    if (lead < 0x80) {
      text += String.fromCharCode(lead);
      continue;
    }
    const following = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
    if (lead < 0xc2 || lead > 0xf4 || i + following > bytes.length) throw notUtf8();
    let code = lead & (0x3f >> following);
    for (let k = 0; k < following; k++) {
      const byte = bytes[i++] as number;
      if ((byte & 0xc0) !== 0x80) throw notUtf8();
      code = (code << 6) | (byte & 0x3f);
    }
    const overlong = (following === 2 && code < 0x800) || (following === 3 && code < 0x10000);
    if (overlong || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) throw notUtf8();
    text += String.fromCodePoint(code);
  }
  return text;
}

function notUtf8(): DomainError {
  return new DomainError("invalid-input", "a text inside the DER data is not valid UTF-8");
}

/** Text of bytes that are one character each (ISO 8859-1, of which ASCII is a part). */
export function latin1Decode(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Text of big-endian characters of `width` bytes each: BMPString is 2, UniversalString is 4. */
export function wideDecode(bytes: Uint8Array, width: 2 | 4): string {
  if (bytes.length % width !== 0) {
    throw new DomainError("invalid-input", "a wide text inside the DER data has an odd length");
  }
  let text = "";
  for (let i = 0; i < bytes.length; i += width) {
    let code = 0;
    for (let k = 0; k < width; k++) code = code * 256 + (bytes[i + k] as number);
    text += code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
  }
  return text;
}

/** Bytes of ASCII `text`; a DomainError `invalid-input` naming `what` where it is not ASCII. */
export function asciiEncode(text: string, what: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) {
      throw new DomainError(
        "invalid-input",
        `${what} has the character "${text.charAt(i)}"; only ASCII is allowed there`,
      );
    }
    bytes[i] = code;
  }
  return bytes;
}
