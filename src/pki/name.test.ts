import { AsnConvert } from "@peculiar/asn1-schema";
import { Name as OracleName } from "@peculiar/asn1-x509";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { openssl } from "../../test/support/certificates.ts";
import * as der from "./der-write.ts";
import { derTag } from "./der-tags.ts";
import { formatName, parseNameText } from "./name-text.ts";
import {
  nameAttribute,
  nameKey,
  nameOf,
  namesEqual,
  namesIdentical,
  nameValue,
  parseName,
} from "./name.ts";
import type { Name } from "./name.ts";
import { oid } from "./oid.ts";

const commonName = "2.5.4.3";
const anyType = fc.constantFrom(commonName, "2.5.4.11", "2.5.4.10", "1.2.3.4.5");
const anyAttribute = fc
  .tuple(anyType, fc.string({ unit: "binary", minLength: 1, maxLength: 20 }))
  .filter(([, value]) => value.isWellFormed())
  .map(([type, value]) => nameAttribute(type, value));
const anyName = fc
  .array(fc.array(anyAttribute, { minLength: 1, maxLength: 2 }), { maxLength: 4 })
  .map((rdns) => parseName(nameOf(rdns).der));

/** The name with its only common name as a string of another type. */
function commonNameAs(tag: number, content: Uint8Array): Name {
  return nameOf([
    [{ type: commonName, value: null, raw: der.encode(der.primitive(tag, content)) }],
  ]);
}

describe("names", () => {
  test("keep the written order: the first part of the text is the first RDN", () => {
    const name = parseNameText("CN=nodemanager-1,OU=group-1,DC=host-1");
    expect(parseName(name.der).rdns.map((rdn) => rdn[0]?.value)).toEqual([
      "nodemanager-1",
      "group-1",
      "host-1",
    ]);
    expect(formatName(name)).toBe("CN=nodemanager-1,OU=group-1,DC=host-1");
    expect(formatName(name, "rfc4514")).toBe("DC=host-1,OU=group-1,CN=nodemanager-1");
    expect(namesIdentical(parseNameText(formatName(name, "rfc4514"), "rfc4514"), name)).toBe(true);
  });

  test("are the bytes that openssl encodes for the same subject", () => {
    const subject = "/CN=nöde-1/OU=group 1/DC=host-1/C=DE";
    const making = ["req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", "/dev/null"];
    const request = openssl([...making, "-utf8", "-subj", subject]);
    const text = openssl(
      ["req", "-noout", "-subject", "-nameopt", "RFC2253,utf8,-esc_msb"],
      request,
    );
    const name = parseNameText("CN=nöde-1, OU=group 1, DC=host-1, C=DE");
    expect(text.trim()).toBe(`subject=${formatName(name, "rfc4514")}`);
    const body = Buffer.from(request.replace(/-----.*-----|\n/g, ""), "base64");
    expect(body.includes(Buffer.from(name.der))).toBe(true);
  });

  test("survive the text form when the values are any text", () => {
    fc.assert(
      fc.property(anyName, fc.constantFrom("encoded", "rfc4514"), (name, order) => {
        const text = formatName(name, order);
        expect(text).not.toMatch(/[\n\r\0]/);
        expect(namesIdentical(parseNameText(text, order), name)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("are encoded as @peculiar/asn1-x509 reads and writes them", () => {
    fc.assert(
      fc.property(anyName, (name) => {
        const oracle = AsnConvert.parse(name.der, OracleName);
        expect(new Uint8Array(AsnConvert.serialize(oracle))).toEqual(name.der);
        expect(oracle.map((rdn) => rdn.map((each) => each.value.toString()))).toEqual(
          name.rdns.map((rdn) => rdn.map(({ value }) => value)),
        );
      }),
    );
  });

  test.each([
    ["cn = a , ou=b", "CN=a,OU=b"],
    ["CN=a\\,b\\2Bc", "CN=a\\,b\\+c"],
    ["CN=\\ a\\ ", "CN=\\ a\\ "],
    ["CN=a+OU=b", "CN=a+OU=b"],
    ["1.2.3.4=#040101", "1.2.3.4=#040101"],
    ["CN=\\#a", "CN=\\#a"],
    ["CN=\\C3\\B6", "CN=ö"],
    ["", ""],
  ])("reads %j and writes %j", (text, written) => {
    expect(formatName(parseName(parseNameText(text).der))).toBe(written);
  });

  test.each([
    "CN",
    "XX=a",
    "CN=",
    "C=DEU",
    "C=é",
    "CN=a\\",
    `CN=${"x".repeat(65)}`,
    "CN=#zz",
    "a,,b",
    "DC=é",
  ])("refuses %j with one line", (text) => expect(() => parseNameText(text)).toThrow(/^[^\n]+$/));

  test("are equal without regard to case, string type and spaces, in the same order only", () => {
    const name = parseNameText("CN=Big  Domain");
    const printable = commonNameAs(derTag.printableString, new TextEncoder().encode("big domain"));
    const wide = commonNameAs(
      derTag.bmpString,
      Uint8Array.from([..."BIG DOMAIN"].flatMap((c) => [0, c.charCodeAt(0)])),
    );
    for (const other of [printable, wide]) {
      const parsed = parseName(other.der);
      expect(namesEqual(name, parsed)).toBe(true);
      expect(nameKey(name)).toBe(nameKey(parsed));
      expect(namesIdentical(name, parsed)).toBe(false);
    }
    expect(namesEqual(parseNameText("CN=\uff21"), parseNameText("CN=a"))).toBe(true);
    expect(namesEqual(parseNameText("CN=a,OU=b"), parseNameText("OU=b,CN=a"))).toBe(false);
    expect(namesEqual(parseNameText("CN=a"), parseNameText("OU=a"))).toBe(false);
    expect(namesEqual(parseNameText("CN=a+OU=b"), parseNameText("OU=b+CN=A"))).toBe(true);
  });

  test("give the first value of an attribute, null when there is none", () => {
    const name = parseNameText("OU=first,OU=second");
    expect(nameValue(name, "2.5.4.11")).toBe("first");
    expect(nameValue(name, oid.serverAuth)).toBeNull();
  });
});
