import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePorts, portsOutside, rangeOf } from "./free-ports.ts";

describe("rangeOf", () => {
  test("reads what Linux says when it says it", () => {
    expect(rangeOf("32768\t60999\n")).toEqual({ from: 32_768, to: 60_999 });
  });

  test("is the range of RFC 6335 when nobody says it", () => {
    expect(rangeOf(null)).toEqual({ from: 49_152, to: 65_535 });
  });
});

describe("portsOutside", () => {
  test("leaves out every port of the range, and no other from 10000 on", () => {
    const ports = new Set(portsOutside({ from: 32_768, to: 60_999 }));
    expect([10_000, 32_767, 61_000, 65_535].every((port) => ports.has(port))).toBe(true);
    expect([9_999, 32_768, 60_999].some((port) => ports.has(port))).toBe(false);
  });

  test("is every port when the range leaves none", () => {
    expect(portsOutside({ from: 1_024, to: 65_535 })).toHaveLength(55_536);
  });
});

describe("freePorts", () => {
  test("gives different ports that no connection is given", async () => {
    const range = await readFile("/proc/sys/net/ipv4/ip_local_port_range", "utf8").catch(
      () => null,
    );
    const outside = new Set(portsOutside(rangeOf(range)));
    const ports = await freePorts(40);
    expect(new Set(ports).size).toBe(40);
    expect(ports.every((port) => outside.has(port))).toBe(true);
  });

  test("passes over a port when somebody listens there", async () => {
    const [taken = 0, other = 0] = await freePorts(2);
    const server = createServer().listen(taken, "127.0.0.1");
    onTestFinished(() => void server.close());
    await once(server, "listening");
    expect(await freePorts(1, [taken, other])).toEqual([other]);
    await expect(freePorts(1, [taken])).rejects.toMatchObject({ code: "port-in-use" });
  });
});
