import { DomainError } from "../kit/index.ts";
import { plainBytes } from "./bytes.ts";
import { derTag, tagName } from "./der-tags.ts";
import { decodeOid } from "./oid.ts";

/** Deep enough for any certificate; stops a crafted nest of headers. */
const depthMax = 24;

/**
 * Reads DER (X.690) one element after the other. Strict: definite and minimal lengths, one-octet
 * tags, minimal integers. Copies nothing: what it returns are views into the bytes it was given.
 * Whatever is wrong is a DomainError `invalid-input` with the offset in those bytes.
 */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  readonly #depth: number;
  #position: number;
  #contentStart = 0;
  #contentEnd = 0;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length, depth = 0) {
    if (depth > depthMax) throw malformed(start, `elements are nested more than ${depthMax} deep`);
    this.#bytes = plainBytes(bytes);
    this.#position = start;
    this.#end = end;
    this.#depth = depth;
  }

  /** True when nothing is left. */
  get atEnd(): boolean {
    return this.#position >= this.#end;
  }

  /** The tag of the next element, or -1 at the end. */
  get nextTag(): number {
    return this.#position < this.#end ? (this.#bytes[this.#position] as number) : -1;
  }

  /** The content of the next element, which must have `tag`. */
  content(tag: number): Uint8Array {
    this.#advance(tag);
    return this.#bytes.subarray(this.#contentStart, this.#contentEnd);
  }

  /** The next element with its header, which must have `tag` where one is given. */
  element(tag?: number): Uint8Array {
    const start = this.#position;
    this.#advance(tag);
    return this.#bytes.subarray(start, this.#contentEnd);
  }

  /** A reader over what is inside the next element, which must have `tag`. */
  enter(tag: number): DerReader {
    this.#advance(tag);
    return new DerReader(this.#bytes, this.#contentStart, this.#contentEnd, this.#depth + 1);
  }

  /** Like `enter` if the next element has `tag`; null, and nothing read, otherwise. */
  enterOptional(tag: number): DerReader | null {
    return this.nextTag === tag ? this.enter(tag) : null;
  }

  /** The next element, an OBJECT IDENTIFIER, as dotted text. */
  oid(): string {
    this.#advance(derTag.oid);
    return decodeOid(this.#bytes, this.#contentStart, this.#contentEnd);
  }

  boolean(): boolean {
    const start = this.#position;
    const content = this.content(derTag.boolean);
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) {
      throw malformed(start, "a BOOLEAN must be one octet, 00 or ff");
    }
    return content[0] === 0xff;
  }

  /** The next element, an INTEGER, as its two's complement content. */
  integer(tag: number = derTag.integer): Uint8Array {
    const start = this.#position;
    const content = this.content(tag);
    const first = content[0];
    const second = content[1];
    if (first === undefined) throw malformed(start, "an INTEGER is empty");
    if (second !== undefined && first === (second < 0x80 ? 0 : 0xff)) {
      throw malformed(start, "an INTEGER is not as short as possible");
    }
    return content;
  }

  /** The next element, an INTEGER from 0 to 2^31 - 1. */
  smallInteger(tag: number = derTag.integer): number {
    const start = this.#position;
    const content = this.integer(tag);
    if (content.length > 4 || (content[0] as number) >= 0x80) {
      throw malformed(start, "an INTEGER is negative or too large");
    }
    return content.reduce((value, byte) => value * 256 + byte, 0);
  }

  /** The content of the next element, a BIT STRING of whole octets. */
  wholeBitString(): Uint8Array {
    const start = this.#position;
    const content = this.content(derTag.bitString);
    if (content[0] !== 0) throw malformed(start, "a BIT STRING must consist of whole octets here");
    return content.subarray(1);
  }

  /** The bits of the next element, a BIT STRING, first bit first, unused bits left out. */
  bits(): boolean[] {
    const start = this.#position;
    const content = this.content(derTag.bitString);
    const unused = content[0] ?? 8;
    const last = content[content.length - 1] ?? 0;
    const allowed =
      content.length > 1 ? unused < 8 && (last & ((1 << unused) - 1)) === 0 : unused === 0;
    if (!allowed) throw malformed(start, "a BIT STRING has wrong unused bits");
    const bits: boolean[] = [];
    for (let i = 0; i < (content.length - 1) * 8 - unused; i++) {
      bits.push(((content[1 + (i >> 3)] as number) & (0x80 >> (i & 7))) !== 0);
    }
    return bits;
  }

  /** Throws unless everything was read. */
  finish(): void {
    if (!this.atEnd) throw malformed(this.#position, "there is more data than belongs here");
  }

  #advance(expected: number | undefined): void {
    const bytes = this.#bytes;
    const start = this.#position;
    if (start + 2 > this.#end) throw malformed(start, `the data ends ${expectation(expected)}`);
    const tag = bytes[start] as number;
    if (expected !== undefined && tag !== expected) {
      throw malformed(start, `${tagName(tag)} found ${expectation(expected)}`);
    }
    if ((tag & 0x1f) === 0x1f) throw malformed(start, "a tag of more than one octet");
    let length = bytes[start + 1] as number;
    let contentStart = start + 2;
    if (length >= 0x80) {
      const count = length & 0x7f;
      if (count === 0) throw malformed(start, "an indefinite length, which DER does not allow");
      if (count > 4) throw malformed(start, "a length of more than four octets");
      if (contentStart + count > this.#end) throw malformed(start, "the data ends inside a length");
      length = 0;
      for (let i = 0; i < count; i++) length = length * 256 + (bytes[contentStart++] as number);
      if (length < 0x80 || length < 2 ** (8 * (count - 1))) {
        throw malformed(start, "a length is not as short as possible");
      }
    }
    if (length > this.#end - contentStart) {
      throw malformed(start, `${tagName(tag)} is longer than the data that is left`);
    }
    this.#contentStart = contentStart;
    this.#contentEnd = this.#position = contentStart + length;
  }
}

function expectation(tag: number | undefined): string {
  return tag === undefined ? "where an element is expected" : `where ${tagName(tag)} is expected`;
}

function malformed(offset: number, what: string): DomainError {
  return new DomainError("invalid-input", `malformed DER at byte ${offset}: ${what}`, {
    context: { offset },
  });
}
