import { DomainError } from "../kit/index.ts";
import { DerReader } from "./der-read.ts";
import { contextConstructed, contextPrimitive, derTag } from "./der-tags.ts";
import { readGeneralName } from "./general-name.ts";
import type { GeneralName } from "./general-name.ts";
import { readNameConstraints } from "./name-constraints.ts";
import type { NameConstraints } from "./name-constraints.ts";
import { oid } from "./oid.ts";

/** An extension as it stands in the certificate. */
export interface RawExtension {
  readonly oid: string;
  readonly critical: boolean;
  /** What is inside its OCTET STRING. */
  readonly value: Uint8Array;
}

/** In the order of their bits (RFC 5280 4.2.1.3). */
export const keyUsageNames = [
  "digitalSignature",
  "nonRepudiation",
  "keyEncipherment",
  "dataEncipherment",
  "keyAgreement",
  "keyCertSign",
  "cRLSign",
  "encipherOnly",
  "decipherOnly",
] as const;

export type KeyUsage = (typeof keyUsageNames)[number];

export interface BasicConstraints {
  readonly isAuthority: boolean;
  /** How many further authorities may follow below this one; null is any number. */
  readonly pathLength: number | null;
}

export interface AuthorityKeyId {
  readonly keyId: Uint8Array | null;
  /** Also names the issuer's issuer and serial, which breaks cross-signing; never made here. */
  readonly hasIssuerAndSerial: boolean;
}

/** The extensions of a certificate or request; one that is absent is null. */
export interface Extensions {
  /** All of them, those not understood here included, in encoded order. */
  readonly raw: readonly RawExtension[];
  readonly basicConstraints: BasicConstraints | null;
  readonly keyUsage: readonly KeyUsage[] | null;
  /** Dotted OIDs. */
  readonly extendedKeyUsage: readonly string[] | null;
  readonly subjectAltName: readonly GeneralName[] | null;
  readonly subjectKeyId: Uint8Array | null;
  readonly authorityKeyId: AuthorityKeyId | null;
  readonly nameConstraints: NameConstraints | null;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Parsed = Writable<Omit<Extensions, "raw">>;

/** No extensions at all: what a certificate of version 1 has. */
export const noExtensions: Extensions = {
  raw: [],
  basicConstraints: null,
  keyUsage: null,
  extendedKeyUsage: null,
  subjectAltName: null,
  subjectKeyId: null,
  authorityKeyId: null,
  nameConstraints: null,
};

const decoders: Readonly<Record<string, (reader: DerReader, into: Parsed) => void>> = {
  [oid.basicConstraints]: (reader, into) => {
    into.basicConstraints = readBasicConstraints(reader);
  },
  [oid.keyUsage]: (reader, into) => {
    const bits = reader.bits();
    into.keyUsage = keyUsageNames.filter((_, bit) => bits[bit] === true);
  },
  [oid.extendedKeyUsage]: (reader, into) => {
    into.extendedKeyUsage = readList(reader, (list) => list.oid());
  },
  [oid.subjectAltName]: (reader, into) => {
    into.subjectAltName = readList(reader, readGeneralName);
  },
  [oid.subjectKeyIdentifier]: (reader, into) => {
    into.subjectKeyId = reader.content(derTag.octetString);
  },
  [oid.authorityKeyIdentifier]: (reader, into) => {
    into.authorityKeyId = readAuthorityKeyId(reader);
  },
  [oid.nameConstraints]: (reader, into) => {
    into.nameConstraints = readNameConstraints(reader);
  },
};

/** True if this program knows what that extension demands, so that it may be critical. */
export function isKnownExtension(extensionOid: string): boolean {
  return Object.hasOwn(decoders, extensionOid);
}

/** Reads an `Extensions` SEQUENCE (RFC 5280 4.1); an extension that stands twice is refused. */
export function readExtensions(reader: DerReader): Extensions {
  const raw: RawExtension[] = [];
  const parsed: Parsed = { ...noExtensions };
  const list = reader.enter(derTag.sequence);
  while (!list.atEnd) {
    const extension = list.enter(derTag.sequence);
    const extensionOid = extension.oid();
    const critical = extension.nextTag === derTag.boolean && extension.boolean();
    const value = extension.content(derTag.octetString);
    extension.finish();
    if (raw.some((each) => each.oid === extensionOid)) {
      throw new DomainError("invalid-input", `the extension ${extensionOid} stands there twice`);
    }
    raw.push({ oid: extensionOid, critical, value });
    const decode = decoders[extensionOid];
    if (decode !== undefined) {
      const inner = new DerReader(value);
      decode(inner, parsed);
      inner.finish();
    }
  }
  return { ...parsed, raw };
}

function readList<T>(reader: DerReader, read: (list: DerReader) => T): T[] {
  const list = reader.enter(derTag.sequence);
  const values: T[] = [];
  while (!list.atEnd) values.push(read(list));
  return values;
}

function readBasicConstraints(outer: DerReader): BasicConstraints {
  const reader = outer.enter(derTag.sequence);
  const isAuthority = reader.nextTag === derTag.boolean && reader.boolean();
  const pathLength = reader.atEnd ? null : reader.smallInteger();
  reader.finish();
  return { isAuthority, pathLength };
}

function readAuthorityKeyId(outer: DerReader): AuthorityKeyId {
  const reader = outer.enter(derTag.sequence);
  const keyIdTag = contextPrimitive(0);
  const keyId = reader.nextTag === keyIdTag ? reader.content(keyIdTag) : null;
  const issuer = reader.enterOptional(contextConstructed(1));
  const serialTag = contextPrimitive(2);
  const serial = reader.nextTag === serialTag ? reader.content(serialTag) : null;
  reader.finish();
  return { keyId, hasIssuerAndSerial: issuer !== null || serial !== null };
}
