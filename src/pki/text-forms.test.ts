import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isDomainError } from "../kit/index.ts";
import { base64Decode, base64Encode } from "./base64.ts";
import { utf8Decode, utf8Encode, wideDecode } from "./characters.ts";
import { formatIpAddress, parseIpAddress } from "./ip-address.ts";
import { decodeOnePem, decodePem, encodePem } from "./pem.ts";

describe("base64", () => {
  test("agrees with Buffer when any bytes are given", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = base64Encode(bytes);
        expect(text).toBe(Buffer.from(bytes).toString("base64"));
        expect(base64Decode(text)).toEqual(bytes);
      }),
    );
  });

  test.each(["A", "AB", "AB=", "A===", "AB=C", "A*==", "AB==CD==", "AR==", "é==="])(
    "refuses %j",
    (text) => expect(base64Decode(text)).toBeNull(),
  );
});

describe("UTF-8", () => {
  test("agrees with TextEncoder and the strict TextDecoder when anything is given", () => {
    const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(utf8Encode(text)).toEqual(new TextEncoder().encode(text));
        expect(utf8Decode(utf8Encode(text))).toBe(text);
      }),
    );
    const octet = fc.oneof(fc.nat(255), fc.constantFrom(0xc0, 0xe0, 0xed, 0xf0, 0xf4, 0x80, 0xbf));
    fc.assert(
      fc.property(fc.array(octet, { maxLength: 6 }), (octets) => {
        const bytes = Uint8Array.from(octets);
        const attempt = (decode: () => string): string | null => {
          try {
            return decode();
          } catch {
            return null;
          }
        };
        expect(attempt(() => utf8Decode(bytes))).toBe(attempt(() => strict.decode(bytes)));
      }),
      { numRuns: 1000 },
    );
  });

  test("reads wide texts and refuses half a character", () => {
    expect(wideDecode(Uint8Array.of(0, 0x41, 0x20, 0xac), 2)).toBe("A€");
    expect(wideDecode(Uint8Array.of(0, 1, 0xf6, 0), 4)).toBe("😀");
    expect(() => wideDecode(Uint8Array.of(0), 2)).toThrow(/odd length/);
  });
});

describe("IP addresses", () => {
  test("round-trip when the bytes are any", () => {
    const size = fc.constantFrom(4, 16);
    const octet = fc.oneof(fc.constant(0), fc.nat(255));
    const address = size.chain((length) =>
      fc
        .array(octet, { minLength: length, maxLength: length })
        .map((each) => Uint8Array.from(each)),
    );
    fc.assert(
      fc.property(address, (bytes) => {
        expect(parseIpAddress(formatIpAddress(bytes) ?? "")).toEqual(bytes);
      }),
    );
  });

  test.each([
    ["0:0:0:0:0:0:0:1", "::1"],
    ["2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"],
    ["::", "::"],
  ])("%s is written %s as RFC 5952 says", (text, canonical) => {
    expect(formatIpAddress(parseIpAddress(text) ?? new Uint8Array())).toBe(canonical);
  });

  test.each([
    "1.2.3",
    "256.1.1.1",
    "01.2.3.4",
    ":::",
    "1::2::3",
    "12345::",
    "1:2:3:4:5:6:7",
    "",
    "a",
  ])("%j is none", (text) => expect(parseIpAddress(text)).toBeNull());
});

describe("PEM", () => {
  test("round-trips several blocks with text between them", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 4 }), (contents) => {
        const text = contents
          .map((each) => `a comment\n${encodePem("CERTIFICATE", each)}`)
          .join("");
        expect(decodePem(text).map(({ bytes }) => bytes)).toEqual(contents);
        expect(decodePem(text.replaceAll("\n", "\r\n")).length).toBe(contents.length);
      }),
    );
  });

  test.each([
    "-----BEGIN A-----\nAAAA\n-----END B-----",
    "-----BEGIN A-----\nAAA\n-----END A-----",
    "-----BEGIN A-----\nAAAA",
    "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END A-----",
    "-----BEGIN A-----\nAAAA\n-----BEGIN A-----\nAAAA\n-----END A-----",
  ])("refuses the damaged block %j", (text) => {
    expect(() => decodePem(text)).toThrow(/damaged/);
  });

  test("throws nothing but a DomainError when the text is random", () => {
    const piece = fc.constantFrom(
      "-----BEGIN A-----",
      "-----END A-----",
      "\n",
      "AAAA",
      "-----",
      "x=",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          decodePem(pieces.join(""));
        } catch (error) {
          if (!isDomainError(error, "invalid-input")) throw error;
        }
      }),
    );
  });

  test("decodeOnePem names the file when there is not exactly one block", () => {
    const block = encodePem("A", Uint8Array.of(1));
    expect(decodeOnePem(`${block}${encodePem("B", Uint8Array.of(2))}`, ["B"], "b.pem")).toEqual(
      Uint8Array.of(2),
    );
    expect(() => decodeOnePem(block, ["B", "C"], "b.pem")).toThrow(
      'b.pem has no PEM block "B" or "C"',
    );
    expect(() => decodeOnePem(block + block, ["A"], "b.pem")).toThrow(/more than one/);
  });
});
