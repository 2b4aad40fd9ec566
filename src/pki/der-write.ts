import { derTag } from "./der-tags.ts";
import { encodeOid } from "./oid.ts";

/**
 * An element that is to be written. Its size is known from the start, so that `encode` fills one
 * buffer of exactly the right length in one pass.
 */
export interface DerNode {
  /** The identifier octet, or `verbatim` where `content` already has its header. */
  readonly tag: number;
  readonly contentSize: number;
  readonly content: Uint8Array | readonly DerNode[];
}

const verbatim = -1;

/** The bytes of `node` and everything in it. */
export function encode(node: DerNode): Uint8Array {
  const bytes = new Uint8Array(sizeOf(node));
  write(node, bytes, 0);
  return bytes;
}

/** An element that is DER already. */
export function raw(der: Uint8Array): DerNode {
  return { tag: verbatim, contentSize: der.length, content: der };
}

/** An element of any simple type with `content`. */
export function primitive(tag: number, content: Uint8Array): DerNode {
  return { tag, contentSize: content.length, content };
}

/** An element of any type that contains `nodes`, in this order. */
export function constructed(tag: number, nodes: readonly DerNode[]): DerNode {
  let contentSize = 0;
  for (const node of nodes) contentSize += sizeOf(node);
  return { tag, contentSize, content: nodes };
}

export function sequence(...nodes: readonly DerNode[]): DerNode {
  return constructed(derTag.sequence, nodes);
}

/** A SET OF, sorted by its encoded elements as DER demands (X.690 11.6). */
export function setOf(nodes: readonly DerNode[]): DerNode {
  const encoded = nodes.map(encode).sort(compareBytes);
  return constructed(derTag.set, encoded.map(raw));
}

/** An OCTET STRING around another element, as every X.509 extension has it. */
export function octetStringOf(node: DerNode): DerNode {
  return constructed(derTag.octetString, [node]);
}

export function octetString(content: Uint8Array): DerNode {
  return primitive(derTag.octetString, content);
}

export function boolean(value: boolean): DerNode {
  return primitive(derTag.boolean, Uint8Array.of(value ? 0xff : 0));
}

/** An INTEGER from 0 to 2^31 - 1. */
export function smallInteger(value: number): DerNode {
  return unsignedInteger(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
}

/** A non-negative INTEGER from its big-endian magnitude; leading zeros do not matter. */
export function unsignedInteger(magnitude: Uint8Array): DerNode {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start++;
  const minimal = magnitude.subarray(start);
  if (minimal.length > 0 && (minimal[0] as number) < 0x80)
    return primitive(derTag.integer, minimal);
  const padded = new Uint8Array(minimal.length + 1);
  padded.set(minimal, 1);
  return primitive(derTag.integer, padded);
}

export function objectIdentifier(dotted: string): DerNode {
  let node = knownOids.get(dotted);
  if (node === undefined) {
    node = primitive(derTag.oid, encodeOid(dotted));
    if (knownOids.size < knownOidsMax) knownOids.set(dotted, node);
  }
  return node;
}

/** Encoding an identifier costs more than all the rest of an extension. */
const knownOids = new Map<string, DerNode>();
const knownOidsMax = 256;

/** A BIT STRING of whole octets. */
export function wholeBitString(octets: Uint8Array): DerNode {
  const content = new Uint8Array(octets.length + 1);
  content.set(octets, 1);
  return primitive(derTag.bitString, content);
}

/** A BIT STRING that is a list of named bits: zeros at its end are left out (X.690 11.2.2). */
export function namedBits(bitNumbers: readonly number[]): DerNode {
  const count = bitNumbers.length === 0 ? 0 : Math.max(...bitNumbers) + 1;
  const content = new Uint8Array(1 + Math.ceil(count / 8));
  content[0] = (8 - (count % 8)) % 8;
  for (const bit of bitNumbers) {
    const at = 1 + (bit >> 3);
    content[at] = (content[at] as number) | (0x80 >> (bit & 7));
  }
  return primitive(derTag.bitString, content);
}

function sizeOf(node: DerNode): number {
  if (node.tag === verbatim) return node.contentSize;
  return 2 + lengthOctets(node.contentSize) + node.contentSize;
}

function lengthOctets(length: number): number {
  if (length < 0x80) return 0;
  return length < 0x100 ? 1 : length < 0x10000 ? 2 : length < 0x1000000 ? 3 : 4;
}

function write(node: DerNode, bytes: Uint8Array, start: number): number {
  let at = start;
  if (node.tag !== verbatim) {
    bytes[at++] = node.tag;
    const count = lengthOctets(node.contentSize);
    bytes[at++] = count === 0 ? node.contentSize : 0x80 | count;
    for (let i = count - 1; i >= 0; i--) bytes[at++] = node.contentSize >>> (8 * i);
  }
  const { content } = node;
  if (content instanceof Uint8Array) {
    bytes.set(content, at);
    return at + content.length;
  }
  for (const child of content) at = write(child, bytes, at);
  return at;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
