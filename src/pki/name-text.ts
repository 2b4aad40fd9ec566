import { DomainError } from "../kit/index.ts";
import { fromHex, toHex } from "../kit/index.ts";
import { attributeTypeNamed, attributeTypeOf } from "./attribute-types.ts";
import { utf8Decode, utf8Encode } from "./characters.ts";
import { DerReader } from "./der-read.ts";
import { nameAttribute, nameOf } from "./name.ts";
import type { Name, NameAttribute } from "./name.ts";

/**
 * Which RDN a text begins with. `encoded`: the first one, as OpenSSL and this program write names
 * (`CN=nodemanager-1,OU=group-1,DC=host-1`). `rfc4514`: the last one, as RFC 4514 2.1 demands.
 */
export type NameOrder = "encoded" | "rfc4514";

/**
 * The name that a text such as `CN=instance-1, OU=group-2, DC=host-1` stands for, with the escapes
 * of RFC 4514. A DomainError `invalid-name` says which part is wrong.
 */
export function parseNameText(text: string, order: NameOrder = "encoded"): Name {
  if (text.trim() === "") return nameOf([]);
  const rdns = split(text, ",").map((part) => split(part, "+").map(parseAttribute));
  return nameOf(order === "rfc4514" ? rdns.reverse() : rdns);
}

/** One line of text for `name`, which `parseNameText` reads back with the same order. */
export function formatName(name: Name, order: NameOrder = "encoded"): string {
  const parts = name.rdns.map((rdn) => rdn.map(formatAttribute).join("+"));
  return (order === "rfc4514" ? parts.reverse() : parts).join(",");
}

function split(text: string, separator: string): string[] {
  const parts = [""];
  for (let i = 0; i < text.length; i++) {
    const character = text.charAt(i);
    if (character === separator) parts.push("");
    else parts[parts.length - 1] += character === "\\" ? character + text.charAt(++i) : character;
  }
  return parts;
}

function parseAttribute(part: string): NameAttribute {
  const at = part.indexOf("=");
  if (at < 0) {
    throw new DomainError("invalid-name", `"${part.trim()}" in a name is not like CN=value`);
  }
  const label = part.slice(0, at).trim();
  const type = /^[012](\.[0-9]+)+$/.test(label) ? label : attributeTypeNamed(label)?.oid;
  if (type === undefined) {
    throw new DomainError(
      "invalid-name",
      `"${label}" is not a part of a name that is known here; write CN, OU, O, DC ... or an OID`,
    );
  }
  const value = part.slice(at + 1);
  return value.trim().startsWith("#")
    ? hexAttribute(type, value.trim())
    : nameAttribute(type, unescape(value));
}

function hexAttribute(type: string, text: string): NameAttribute {
  try {
    const raw = fromHex(text.slice(1));
    const reader = new DerReader(raw);
    reader.element();
    reader.finish();
    return { type, value: null, raw };
  } catch (cause) {
    throw new DomainError("invalid-name", `the value "${text}" is not # and DER in hexadecimal`, {
      cause,
    });
  }
}

/** Undoes the escapes of RFC 4514 section 3, after cutting the spaces that are not escaped. */
function unescape(value: string): string {
  const start = value.length - value.replace(/^ +/, "").length;
  let end = value.replace(/ +$/, "").length;
  if (/(^|[^\\])(\\\\)*\\$/.test(value.slice(0, end)) && end < value.length) end++;
  const bytes: number[] = [];
  for (const token of value.slice(start, end).match(/\\[0-9a-fA-F]{2}|\\.|[^\\]+|\\$/gsu) ?? []) {
    if (token === "\\") throw new DomainError("invalid-name", "a name ends with a backslash");
    if (/^\\[0-9a-fA-F]{2}$/.test(token)) bytes.push(Number.parseInt(token.slice(1), 16));
    else bytes.push(...utf8Encode(token.startsWith("\\") ? token.slice(1) : token));
  }
  return utf8Decode(Uint8Array.from(bytes));
}

function formatAttribute({ type, value, raw }: NameAttribute): string {
  const label = attributeTypeOf(type)?.short ?? type;
  return `${label}=${value === null ? `#${toHex(raw)}` : escape(value)}`;
}

function escape(value: string): string {
  return value
    .replace(/[,+"\\<>;=]/g, "\\$&")
    .replace(/^[ #]|(?<!^) $/g, "\\$&")
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\p{Cf}]/gu, (character) =>
      [...utf8Encode(character)].map((byte) => `\\${toHex(Uint8Array.of(byte))}`).join(""),
    );
}
