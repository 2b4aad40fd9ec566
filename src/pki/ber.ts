import { DomainError } from "../kit/index.ts";
import { constructed, encode, primitive } from "./der-write.ts";
import type { DerNode } from "./der-write.ts";
import { derTag } from "./der-tags.ts";

const depthMax = 24;
const constructedBit = 0x20;

/**
 * The same element in DER, for containers that other programs write in BER (X.690 8.1): lengths
 * that are indefinite or longer than they need to be, octet strings in pieces. Sets keep their
 * order. A DomainError `invalid-input` where it is no BER.
 */
export function berToDer(bytes: Uint8Array): Uint8Array {
  const [node, end] = readElement(bytes, 0, bytes.length, 0);
  if (end !== bytes.length) throw malformed(end);
  return encode(node);
}

function readElement(
  bytes: Uint8Array,
  start: number,
  limit: number,
  depth: number,
): readonly [DerNode, number] {
  const tag = bytes[start];
  const first = bytes[start + 1];
  const isLongTag = tag !== undefined && (tag & 0x1f) === 0x1f;
  if (tag === undefined || first === undefined || start + 2 > limit || isLongTag) {
    throw malformed(start);
  }
  if (depth > depthMax) throw malformed(start);
  const isConstructed = (tag & constructedBit) !== 0;
  if (first === 0x80 && isConstructed) {
    const [nodes, end] = readList(bytes, start + 2, limit, depth);
    return [joined(tag, nodes), end + 2];
  }
  const [contentStart, contentEnd] = definiteContent(bytes, start, first);
  if (contentEnd > limit) throw malformed(start);
  if (!isConstructed) return [primitive(tag, bytes.subarray(contentStart, contentEnd)), contentEnd];
  const nodes: DerNode[] = [];
  for (let at = contentStart; at < contentEnd;) {
    const [node, next] = readElement(bytes, at, contentEnd, depth + 1);
    nodes.push(node);
    at = next;
  }
  return [joined(tag, nodes), contentEnd];
}

/** The elements up to the two zero octets that end an indefinite length, and where those are. */
function readList(
  bytes: Uint8Array,
  start: number,
  limit: number,
  depth: number,
): readonly [DerNode[], number] {
  const nodes: DerNode[] = [];
  let at = start;
  while (bytes[at] !== 0 || bytes[at + 1] !== 0 || at + 2 > limit) {
    const [node, next] = readElement(bytes, at, limit, depth + 1);
    nodes.push(node);
    at = next;
  }
  return [nodes, at];
}

function definiteContent(bytes: Uint8Array, start: number, first: number): [number, number] {
  if (first < 0x80) return [start + 2, start + 2 + first];
  const count = first & 0x7f;
  if (count === 0 || count > 6) throw malformed(start);
  let length = 0;
  for (let i = 0; i < count; i++) length = length * 256 + (bytes[start + 2 + i] ?? 0);
  return [start + 2 + count, start + 2 + count + length];
}

const octetStringInPieces = derTag.octetString | constructedBit;

function joined(tag: number, nodes: readonly DerNode[]): DerNode {
  if (tag !== octetStringInPieces) return constructed(tag, nodes);
  // Each piece is an octet string by itself; only what is in it counts.
  const pieces = nodes.map(({ content }) => content);
  if (!pieces.every((piece) => piece instanceof Uint8Array)) throw malformed(0);
  const whole = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return primitive(derTag.octetString, whole);
}

function malformed(offset: number): DomainError {
  return new DomainError("invalid-input", `malformed BER at byte ${offset}`, {
    context: { offset },
  });
}
