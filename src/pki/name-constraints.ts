import { DomainError } from "../kit/index.ts";
import { latin1Decode } from "./characters.ts";
import type { DerReader } from "./der-read.ts";
import { contextConstructed, contextPrimitive, derTag } from "./der-tags.ts";
import type { GeneralName } from "./general-name.ts";
import { parseIpAddress } from "./ip-address.ts";

/** A part of a name space (RFC 5280 4.2.1.10). */
export type Subtree =
  | { readonly type: "dns" | "email" | "uri"; readonly base: string }
  | { readonly type: "ip"; readonly address: Uint8Array; readonly mask: Uint8Array }
  /** A kind of name that is not enforced here, so that a path below it is refused. */
  | { readonly type: "unsupported"; readonly tag: number };

export interface NameConstraints {
  readonly permitted: readonly Subtree[];
  readonly excluded: readonly Subtree[];
}

const textTypes = { 1: "email", 2: "dns", 6: "uri" } as const;

export function readNameConstraints(outer: DerReader): NameConstraints {
  const reader = outer.enter(derTag.sequence);
  const permitted = readSubtrees(reader.enterOptional(contextConstructed(0)));
  const excluded = readSubtrees(reader.enterOptional(contextConstructed(1)));
  reader.finish();
  return { permitted, excluded };
}

function readSubtrees(list: DerReader | null): Subtree[] {
  const subtrees: Subtree[] = [];
  while (list !== null && !list.atEnd) {
    const subtree = list.enter(derTag.sequence);
    subtrees.push(readBase(subtree));
    // RFC 5280: minimum is always 0, so left out in DER, and maximum is absent.
    subtree.finish();
  }
  return subtrees;
}

function readBase(reader: DerReader): Subtree {
  const tag = reader.nextTag;
  const number = tag & 0x1f;
  if (tag === contextPrimitive(7)) {
    const content = reader.content(tag);
    if (content.length !== 8 && content.length !== 32) {
      throw new DomainError("invalid-input", "an IP name constraint is not of 8 or 32 bytes");
    }
    const half = content.length / 2;
    return { type: "ip", address: content.subarray(0, half), mask: content.subarray(half) };
  }
  if (tag === contextPrimitive(number) && (number === 1 || number === 2 || number === 6)) {
    return { type: textTypes[number], base: latin1Decode(reader.content(tag)).toLowerCase() };
  }
  reader.element();
  return { type: "unsupported", tag };
}

/**
 * What is wrong with `name` below an authority with these constraints: one line, or null if it is
 * allowed. A constraint of another type does not concern the name; an unsupported one does.
 */
export function constraintProblem(name: GeneralName, constraints: NameConstraints): string | null {
  const { permitted, excluded } = constraints;
  if ([...permitted, ...excluded].some((subtree) => subtree.type === "unsupported")) {
    return "the authority has name constraints of a kind that is not understood";
  }
  if (name.type === "directory" || name.type === "other") return null;
  const text = `${name.type} name ${name.value}`;
  const isConstrained = [...permitted, ...excluded].some((subtree) => subtree.type === name.type);
  if (isConstrained && name.type === "uri" && uriHost(name.value.toLowerCase()) === null) {
    return `${text} has no host name, which its constraint needs`;
  }
  if (excluded.some((subtree) => matches(name, subtree))) return `${text} is excluded`;
  const relevant = permitted.filter((subtree) => subtree.type === name.type);
  if (relevant.length === 0 || relevant.some((subtree) => matches(name, subtree))) return null;
  return `${text} is not among the permitted names`;
}

function matches(name: { type: string; value: string }, subtree: Subtree): boolean {
  if (subtree.type !== name.type || subtree.type === "unsupported") return false;
  if (subtree.type === "ip") {
    const address = parseIpAddress(name.value);
    const { mask, address: base } = subtree;
    return (
      address !== null &&
      address.length === base.length &&
      address.every((byte, i) => (byte & (mask[i] ?? 0)) === ((base[i] ?? 0) & (mask[i] ?? 0)))
    );
  }
  const value = name.value.toLowerCase().replace(/\.$/, "");
  if (subtree.type === "dns") return dnsWithin(value, subtree.base);
  if (subtree.type === "uri") return hostWithin(uriHost(value), subtree.base);
  return subtree.base.includes("@")
    ? value === subtree.base
    : hostWithin(value.slice(value.lastIndexOf("@") + 1), subtree.base);
}

/** For a DNS name: the base itself and anything with more labels on its left. */
function dnsWithin(name: string, base: string): boolean {
  const bare = base.startsWith(".") ? base.slice(1) : base;
  return bare === "" || name === bare || name.endsWith(`.${bare}`);
}

/** For a host in a URI or e-mail address: `.base` is what is below it, `base` exactly that host. */
function hostWithin(host: string | null, base: string): boolean {
  if (host === null) return false;
  return base.startsWith(".") ? host.endsWith(base) && host.length > base.length : host === base;
}

function uriHost(uri: string): string | null {
  return (
    /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#@:]+)(?::[0-9]*)?(?:[/?#]|$)/.exec(uri)?.[1] ?? null
  );
}
