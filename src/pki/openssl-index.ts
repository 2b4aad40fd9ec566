import { toHex } from "../kit/index.ts";
import { attributeTypeOf } from "./attribute-types.ts";
import { utf8Encode } from "./characters.ts";
import { formatTime } from "./civil-time.ts";
import type { Name } from "./name.ts";

/** One certificate in the database of `openssl ca`: a line of its `index.txt`. */
export interface IndexEntry {
  /** Lower-case hexadecimal. */
  readonly serial: string;
  readonly notAfterMs: number;
  /** Null: it is not revoked. */
  readonly revokedAtMs: number | null;
  readonly subject: Name;
}

/** The line for `entry`, with its line break: six columns, as OpenSSL's `ca` writes and reads them. */
export function indexLine({ serial, notAfterMs, revokedAtMs, subject }: IndexEntry): string {
  const columns = [
    revokedAtMs === null ? "V" : "R",
    indexTime(notAfterMs),
    revokedAtMs === null ? "" : indexTime(revokedAtMs),
    (serial.length % 2 === 0 ? serial : `0${serial}`).toUpperCase(),
    "unknown",
    slashedName(subject),
  ];
  return `${columns.join("\t")}\n`;
}

/** The serials (lower-case hexadecimal, even digits) and lines of `text`; other lines are left out. */
export function indexedSerials(text: string): { readonly serial: string; readonly line: string }[] {
  return text.split("\n").flatMap((line) => {
    const serial = line.split("\t")[3]?.toLowerCase();
    return serial !== undefined && /^([0-9a-f]{2})+$/.test(serial) ? [{ serial, line }] : [];
  });
}

/** ASN.1 time as text: with two digits for the year to 2049 (RFC 5280 4.1.2.5). */
function indexTime(timeMs: number): string {
  const digits = formatTime(timeMs).replace(/[-T:]/g, "");
  return Number(digits.slice(0, 4)) < 2050 ? digits.slice(2) : digits;
}

/** `/CN=instance-1/OU=group-2`: how OpenSSL writes a name on one line. */
function slashedName(name: Name): string {
  const attributes = name.rdns.flat().map(({ type, value, raw }) => {
    const text = value === null ? `#${toHex(raw)}` : [...utf8Encode(value)].map(shown).join("");
    return `/${attributeTypeOf(type)?.short ?? type}=${text}`;
  });
  return attributes.join("");
}

function shown(byte: number): string {
  return byte >= 0x20 && byte < 0x7f
    ? String.fromCharCode(byte)
    : `\\x${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}
