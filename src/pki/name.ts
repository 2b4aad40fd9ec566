import { DomainError } from "../kit/index.ts";
import { toHex } from "../kit/index.ts";
import { attributeTypeOf } from "./attribute-types.ts";
import { bytesEqual } from "./bytes.ts";
import { asciiEncode, latin1Decode, utf8Decode, utf8Encode, wideDecode } from "./characters.ts";
import { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import * as der from "./der-write.ts";

/** One attribute of a name. */
export interface NameAttribute {
  /** Dotted OID: 2.5.4.3 is the common name. */
  readonly type: string;
  /** The text; where the value is no text, null (see `raw`). */
  readonly value: string | null;
  /** The value as DER, with its header. */
  readonly raw: Uint8Array;
}

/** A distinguished name, with the order and the exact bytes that it was encoded with. */
export interface Name {
  readonly der: Uint8Array;
  /** In encoded order; an RDN has one attribute, seldom more. */
  readonly rdns: readonly (readonly NameAttribute[])[];
}

const rdnsMax = 64;

/** The name that `bytes`, one DER element, hold; a DomainError `invalid-input` where they do not. */
export function parseName(bytes: Uint8Array): Name {
  const outer = new DerReader(bytes);
  const reader = outer.enter(derTag.sequence);
  const rdns: NameAttribute[][] = [];
  while (!reader.atEnd) {
    const set = reader.enter(derTag.set);
    const rdn: NameAttribute[] = [];
    do {
      const attribute = set.enter(derTag.sequence);
      const type = attribute.oid();
      const tag = attribute.nextTag;
      const raw = attribute.element();
      attribute.finish();
      rdn.push({ type, value: textOf(tag, raw), raw });
    } while (!set.atEnd);
    if (rdns.push(rdn) > rdnsMax) {
      throw new DomainError("invalid-input", `a name has more than ${rdnsMax} parts`);
    }
  }
  outer.finish();
  return { der: bytes, rdns };
}

function textOf(tag: number, raw: Uint8Array): string | null {
  const content = new DerReader(raw).content(tag);
  switch (tag) {
    case derTag.utf8String:
      return utf8Decode(content);
    case derTag.printableString:
    case derTag.ia5String:
    case derTag.numericString:
    case derTag.teletexString:
      return latin1Decode(content);
    case derTag.bmpString:
      return wideDecode(content, 2);
    case derTag.universalString:
      return wideDecode(content, 4);
    default:
      return null;
  }
}

/** The name with these RDNs, in this order. */
export function nameOf(rdns: readonly (readonly NameAttribute[])[]): Name {
  const sets = rdns.map((rdn) =>
    der.setOf(rdn.map((each) => der.sequence(der.objectIdentifier(each.type), der.raw(each.raw)))),
  );
  return { der: der.encode(der.sequence(...sets)), rdns };
}

const printableCharacters = /^[A-Za-z0-9 '()+,\-./:=?]*$/;

/**
 * An attribute from its OID and text, encoded as RFC 5280 appendix A.1 says: UTF8String, except
 * for those types that must be something else. A DomainError where the text does not fit the type.
 */
export function nameAttribute(type: string, value: string): NameAttribute {
  const known = attributeTypeOf(type);
  const tag = known?.tag ?? derTag.utf8String;
  const label = known?.short ?? type;
  if (value === "") throw new DomainError("invalid-name", `the value of ${label} is empty`);
  if (known !== undefined && [...value].length > known.lengthMax) {
    throw new DomainError("invalid-name", `${label} has more than ${known.lengthMax} characters`);
  }
  if (tag === derTag.printableString && !printableCharacters.test(value)) {
    throw new DomainError(
      "invalid-name",
      `${label} has a character other than letters, digits, space and '()+,-./:=?`,
    );
  }
  const content = tag === derTag.utf8String ? utf8Encode(value) : asciiEncode(value, label);
  return { type, value, raw: der.encode(der.primitive(tag, content)) };
}

/** True if both names are the same bytes: what an external CA has to give back. */
export function namesIdentical(a: Name, b: Name): boolean {
  return bytesEqual(a.der, b.der);
}

/**
 * True if both names mean the same (RFC 5280 7.1): same parts in the same order, where case,
 * string type and runs of white space do not count.
 */
export function namesEqual(a: Name, b: Name): boolean {
  return bytesEqual(a.der, b.der) || nameKey(a) === nameKey(b);
}

/** A text that two names share exactly if `namesEqual` holds for them: the key for a map. */
export function nameKey(name: Name): string {
  return JSON.stringify(name.rdns.map((rdn) => rdn.map(attributeKey).sort()));
}

function attributeKey({ type, value, raw }: NameAttribute): string {
  if (value === null) return `${type}#${toHex(raw)}`;
  return `${type}=${value.normalize("NFKC").toLowerCase().trim().replace(/\s+/gu, " ")}`;
}

/** The first value of the attribute type (dotted OID) in `name`, or null if there is none. */
export function nameValue(name: Name, type: string): string | null {
  for (const rdn of name.rdns) for (const each of rdn) if (each.type === type) return each.value;
  return null;
}

/** True if the name has no parts. */
export function isEmptyName(name: Name): boolean {
  return name.rdns.length === 0;
}
