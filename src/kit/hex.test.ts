import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "./hex.ts";

describe("toHex", () => {
  test("agrees with Node's own when bytes are any", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString("hex"));
      }),
    );
  });
});

describe("fromHex", () => {
  test("gives back the bytes when the text is of either case", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromHex(toHex(bytes).toUpperCase())).toEqual(bytes);
      }),
    );
  });

  test.each(["0", "0g", "0x00", " 00", "00 ", "-1", "00\n"])("refuses %j", (text) => {
    expect(() => fromHex(text)).toThrow(RangeError);
  });
});
