import { derTag } from "./der-tags.ts";

/** One kind of attribute of a name: its short name, its OID, how it is encoded, how long it may be. */
export interface AttributeType {
  readonly short: string;
  readonly oid: string;
  readonly tag: number;
  /** Characters; RFC 5280 appendix A.1 (`ub-...`). */
  readonly lengthMax: number;
}

const utf8 = derTag.utf8String;
const printable = derTag.printableString;
const ia5 = derTag.ia5String;

/** RFC 4514 section 3, then the ones that certificates of other vendors have. */
const types: readonly AttributeType[] = [
  { short: "CN", oid: "2.5.4.3", tag: utf8, lengthMax: 64 },
  { short: "L", oid: "2.5.4.7", tag: utf8, lengthMax: 128 },
  { short: "ST", oid: "2.5.4.8", tag: utf8, lengthMax: 128 },
  { short: "O", oid: "2.5.4.10", tag: utf8, lengthMax: 64 },
  { short: "OU", oid: "2.5.4.11", tag: utf8, lengthMax: 64 },
  { short: "C", oid: "2.5.4.6", tag: printable, lengthMax: 2 },
  { short: "STREET", oid: "2.5.4.9", tag: utf8, lengthMax: 128 },
  { short: "DC", oid: "0.9.2342.19200300.100.1.25", tag: ia5, lengthMax: 63 },
  { short: "UID", oid: "0.9.2342.19200300.100.1.1", tag: utf8, lengthMax: 256 },
  { short: "serialNumber", oid: "2.5.4.5", tag: printable, lengthMax: 64 },
  { short: "SN", oid: "2.5.4.4", tag: utf8, lengthMax: 64 },
  { short: "GN", oid: "2.5.4.42", tag: utf8, lengthMax: 64 },
  { short: "title", oid: "2.5.4.12", tag: utf8, lengthMax: 64 },
  { short: "emailAddress", oid: "1.2.840.113549.1.9.1", tag: ia5, lengthMax: 255 },
];

const byShortName = new Map(types.map((type) => [type.short.toLowerCase(), type]));
const byOid = new Map(types.map((type) => [type.oid, type]));

/** The type with that short name, whatever its case; undefined if it is not in the table. */
export function attributeTypeNamed(short: string): AttributeType | undefined {
  return byShortName.get(short.toLowerCase());
}

/** The type with that OID; undefined if it is not in the table. */
export function attributeTypeOf(oid: string): AttributeType | undefined {
  return byOid.get(oid);
}
