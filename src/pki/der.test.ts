import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isDomainError } from "../kit/index.ts";
import { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import * as der from "./der-write.ts";
import { decodeOid, encodeOid } from "./oid.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe("DerReader", () => {
  test.each([
    ["an indefinite length", bytes(0x30, 0x80, 0, 0), /indefinite/],
    ["a long form that fits the short one", bytes(0x04, 0x81, 0x01, 0xaa), /short as possible/],
    ["a length with a leading zero", bytes(0x04, 0x82, 0x00, 0x80), /short as possible/],
    ["a length of five octets", bytes(0x04, 0x85, 1, 0, 0, 0, 0), /more than four/],
    ["a length past the end", bytes(0x04, 0x05, 1, 2), /longer than the data/],
    ["a cut length", bytes(0x04, 0x82, 1), /inside a length/],
    ["a tag of two octets", bytes(0x1f, 0x81, 0x01, 0), /more than one octet/],
    ["no data", bytes(), /data ends/],
  ])("refuses %s", (_, data, message) => {
    expect(() => new DerReader(data).element()).toThrow(message);
  });

  test.each([
    ["padded with 00", bytes(2, 2, 0, 1)],
    ["padded with ff", bytes(2, 2, 0xff, 0x80)],
    ["empty", bytes(2, 0)],
  ])("refuses an INTEGER that is %s", (_, data) => {
    expect(() => new DerReader(data).integer()).toThrow(/INTEGER/);
  });

  test("refuses a BOOLEAN other than 00 and ff, and bits that are set behind the end", () => {
    expect(() => new DerReader(bytes(1, 1, 1)).boolean()).toThrow(/BOOLEAN/);
    expect(() => new DerReader(bytes(3, 2, 4, 0x0f)).bits()).toThrow(/unused/);
    expect(() => new DerReader(bytes(3, 0)).bits()).toThrow(/unused/);
    expect(new DerReader(bytes(3, 2, 6, 0x40)).bits()).toEqual([false, true]);
  });

  test("refuses a nest of more than 24 sequences", () => {
    const nest = (depth: number): der.DerNode =>
      depth === 0 ? der.smallInteger(1) : der.sequence(nest(depth - 1));
    const descend = (depth: number): void => {
      let reader = new DerReader(der.encode(nest(depth)));
      for (let i = 0; i < depth; i++) reader = reader.enter(derTag.sequence);
      reader.smallInteger();
    };
    expect(() => descend(24)).not.toThrow();
    expect(() => descend(25)).toThrow(/nested/);
  });

  test("says where something is wrong when the tag is not the expected one", () => {
    const reader = new DerReader(bytes(0x30, 3, 2, 1, 5)).enter(derTag.sequence);
    expect(() => reader.boolean()).toThrow(
      "malformed DER at byte 2: integer found where boolean is expected",
    );
  });

  test("throws nothing but a DomainError when the bytes are random", () => {
    const walk = (reader: DerReader): void => {
      while (!reader.atEnd) {
        if ((reader.nextTag & 0x20) !== 0) walk(reader.enter(reader.nextTag));
        else if (reader.nextTag === derTag.oid) reader.oid();
        else if (reader.nextTag === derTag.integer) reader.smallInteger();
        else if (reader.nextTag === derTag.bitString) reader.bits();
        else reader.element();
      }
    };
    const octet = fc.oneof(fc.constantFrom(0x30, 0x31, 0x06, 0x02, 0x03, 0x80, 0xa0), fc.nat(255));
    fc.assert(
      fc.property(fc.array(octet, { maxLength: 60 }), (octets) => {
        try {
          walk(new DerReader(Uint8Array.from(octets)));
        } catch (error) {
          if (!isDomainError(error, "invalid-input")) throw error;
        }
      }),
      { numRuns: 3000 },
    );
  });
});

describe("encode", () => {
  type Tree = Uint8Array | Tree[];
  const { tree } = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      fc.uint8Array({ maxLength: 300 }),
      fc.array(tie("tree"), { maxLength: 5 }),
    ),
  }));
  const write = (value: Tree): der.DerNode =>
    value instanceof Uint8Array ? der.octetString(value) : der.sequence(...value.map(write));
  const read = (reader: DerReader): Tree => {
    if (reader.nextTag === derTag.octetString) return reader.content(derTag.octetString);
    const inner = reader.enter(derTag.sequence);
    const children: Tree[] = [];
    while (!inner.atEnd) children.push(read(inner));
    return children;
  };

  test("writes what the reader reads back when any tree is given", () => {
    fc.assert(
      fc.property(tree, (value) => {
        const reader = new DerReader(der.encode(write(value)));
        expect(read(reader)).toEqual(value);
        reader.finish();
      }),
    );
  });

  test.each([127, 128, 255, 256, 65_535, 65_536])("round-trips content of %i bytes", (length) => {
    const content = new Uint8Array(length).fill(7);
    const reader = new DerReader(der.encode(der.octetString(content)));
    expect(reader.content(derTag.octetString)).toEqual(content);
    reader.finish();
  });

  test("round-trips every small integer and strips leading zeros of a magnitude", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 31 - 1 }), (value) => {
        expect(new DerReader(der.encode(der.smallInteger(value))).smallInteger()).toBe(value);
      }),
    );
    expect(der.encode(der.unsignedInteger(bytes(0, 0, 0x80)))).toEqual(bytes(2, 2, 0, 0x80));
    expect(der.encode(der.unsignedInteger(bytes()))).toEqual(bytes(2, 1, 0));
  });

  test("sorts a SET OF and trims named bits", () => {
    const set = der.setOf([der.smallInteger(9), der.smallInteger(3)]);
    expect(der.encode(set)).toEqual(bytes(0x31, 6, 2, 1, 3, 2, 1, 9));
    expect(der.encode(der.namedBits([0]))).toEqual(bytes(3, 2, 7, 0x80));
    expect(der.encode(der.namedBits([5, 6]))).toEqual(bytes(3, 2, 1, 0x06));
    expect(der.encode(der.namedBits([8]))).toEqual(bytes(3, 3, 7, 0, 0x80));
    expect(der.encode(der.namedBits([]))).toEqual(bytes(3, 1, 0));
  });
});

describe("object identifiers", () => {
  test("round-trip when the arcs are anything up to a UUID", () => {
    const arc = fc.bigInt({ min: 0n, max: (1n << 128n) - 1n - 80n });
    const first = fc.oneof(
      fc.tuple(fc.constantFrom(0n, 1n), fc.bigInt({ min: 0n, max: 39n })),
      fc.tuple(fc.constant(2n), arc),
    );
    fc.assert(
      fc.property(first, fc.array(arc, { maxLength: 10 }), (start, rest) => {
        const text = [...start, ...rest].join(".");
        const content = encodeOid(text);
        expect(decodeOid(content, 0, content.length)).toBe(text);
      }),
    );
  });

  test.each(["", "1", "3.1", "1.40", "1.2.", "1.02", "1.2.x", "-1.2"])("refuses %j", (text) => {
    expect(() => encodeOid(text)).toThrow(/not an object identifier/);
  });

  test.each([
    ["empty", bytes()],
    ["cut off", bytes(0x2a, 0x86)],
    ["padded", bytes(0x2a, 0x80, 0x01)],
    ["too long an arc", new Uint8Array(21).fill(0x81).fill(1, 20)],
  ])("refuses content that is %s", (_, content) => {
    expect(() => decodeOid(content, 0, content.length)).toThrow(/object identifier/);
  });
});
