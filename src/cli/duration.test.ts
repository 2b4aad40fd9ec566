import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseDuration, parsePort, parseWhole } from "./duration.ts";

describe("parseDuration", () => {
  test.each([
    ["90s", 90],
    ["15m", 900],
    [" 1h ", 3600],
    ["7d", 604_800],
  ])("reads %j", (text, seconds) => {
    expect(parseDuration(text)).toBe(seconds);
  });

  test.each(["", "1", "h", "0s", "-1h", "1.5h", "1 h", "1w", "1h30m", "9999999s"])(
    "refuses %j",
    (text) => {
      expect(() => parseDuration(text)).toThrow("is not a duration");
    },
  );
});

describe("parsePort", () => {
  test("takes exactly the ports there are", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), (number) => {
        const read = (): number => parsePort(String(number), "--port");
        if (number >= 1 && number <= 65_535) expect(read()).toBe(number);
        else expect(read).toThrow("--port takes a port from 1 to 65535");
      }),
    );
  });
});

describe("parseWhole", () => {
  test.each(["", "x", "-1", "1.0", "1e3", "11"])(
    "refuses %j when at most 10 is allowed",
    (text) => {
      expect(() => parseWhole(text, "--limit", 10)).toThrow("--limit takes a whole number");
    },
  );
});
