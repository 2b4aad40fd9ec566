import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkAddress, checkName, checkPort, isDnsName, isIpAddress } from "./names.ts";

describe("checkName", () => {
  test.each([
    "alpha",
    "gateway 1",
    "Ünïcode",
    "a.b-c_d",
    "Node Manager on anm1.example.com",
    "Default Group (copy 2)",
    "x".repeat(64),
  ])("returns %j unchanged", (name) => {
    expect(checkName("host", name)).toBe(name);
  });

  test.each([
    ["", "is empty"],
    ["   ", "is empty"],
    [" alpha", "begins or ends with a space"],
    ["alpha ", "begins or ends with a space"],
    ["x".repeat(65), "has 65 characters"],
    ["-x", "begins with a dash"],
    [".", "cannot be a folder name"],
    ["..", "cannot be a folder name"],
    ...[..."/\\`?*<>\n\r\t\":|;$&'!#%,=@[]{}~^\0\u202e"].map((c) => [
      `a${c}b`,
      `contains ${JSON.stringify(c)}`,
    ]),
  ])("refuses %j: %s", (name, why) => {
    expect(() => checkName("instance", name)).toThrow(
      expect.objectContaining({ code: "invalid-name", message: expect.stringContaining(why) }),
    );
  });

  test("never accepts a name that leads out of its folder, whatever the name", () => {
    fc.assert(
      fc.property(fc.string(), (name) => {
        try {
          checkName("group", name);
        } catch {
          return;
        }
        expect(name).not.toMatch(/[/\\]|^\.{1,2}$/);
      }),
    );
  });
});

describe("isDnsName", () => {
  test.each(["a", "alpha.example", "*.alpha.example", "xn--bcher-kva.example", "a1-b2.c3"])(
    "takes %s",
    (name) => {
      expect(isDnsName(name)).toBe(true);
    },
  );

  test.each([
    "",
    ".",
    "a..b",
    "-a.example",
    "a-.example",
    "a_b.example",
    "a.*.example",
    "**.example",
    `${"x".repeat(64)}.example`,
    Array.from({ length: 30 }, () => "abcdefghi").join("."),
    "a b",
    "ä.example",
  ])("refuses %j", (name) => {
    expect(isDnsName(name)).toBe(false);
  });
});

describe("isIpAddress", () => {
  test.each([
    "0.0.0.0",
    "127.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "1::",
    "fe80::1",
    "::ffff:10.0.0.1",
    "1:2:3:4:5:6:7:8",
    "1:2:3:4:5:6:10.0.0.1",
    "1:2:3:4:5:6:7::",
  ])("takes %s", (text) => {
    expect(isIpAddress(text)).toBe(true);
  });

  test.each([
    "",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "01.2.3.4",
    "1.2.3.x",
    "::1::2",
    "g::1",
    "a",
    ":",
    "a:",
    "1:2",
    ":::",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::10.0.0",
    "10.0.0.1::",
    "::12345",
    "::1%eth0",
  ])("refuses %j", (text) => {
    expect(isIpAddress(text)).toBe(false);
  });
});

describe("checkAddress", () => {
  test.each(["alpha.example", "10.0.0.1", "::1"])("takes %s", (text) => {
    expect(checkAddress(text)).toBe(text);
  });

  test.each(["*.example", "alpha:8090", "https://alpha", ""])("refuses %j", (text) => {
    expect(() => checkAddress(text)).toThrow(expect.objectContaining({ code: "invalid-name" }));
  });
});

describe("checkPort", () => {
  test.each([1, 8090, 65_535])("takes %i", (port) => {
    expect(checkPort(port)).toBe(port);
  });

  test.each([0, -1, 65_536, 1.5, Number.NaN])("refuses %d", (port) => {
    expect(() => checkPort(port)).toThrow(expect.objectContaining({ code: "invalid-input" }));
  });
});
