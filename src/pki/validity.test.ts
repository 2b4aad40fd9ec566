import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatTime, readTime, writeTime } from "./civil-time.ts";
import { DerReader } from "./der-read.ts";
import { derTag } from "./der-tags.ts";
import * as der from "./der-write.ts";
import { leafValidity } from "./validity.ts";

const dayMs = 86_400_000;
const roundTrip = (timeMs: number): number =>
  readTime(new DerReader(der.encode(writeTime(timeMs))));
const timeElement = (tag: number, text: string): DerReader =>
  new DerReader(der.encode(der.primitive(tag, new TextEncoder().encode(text))));

describe("times", () => {
  test("round-trip and are written as Date writes them on every day from 2024 to 2060", () => {
    const wrong: string[] = [];
    for (let ms = Date.UTC(2024, 0, 1); ms < Date.UTC(2061, 0, 1); ms += dayMs) {
      for (const timeMs of [ms, ms + dayMs - 1000]) {
        const iso = new Date(timeMs).toISOString().replace(".000", "");
        if (roundTrip(timeMs) !== timeMs || formatTime(timeMs) !== iso) wrong.push(iso);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("round-trip when the second is any from 1950 to 9999", () => {
    const second = fc.integer({
      min: Date.UTC(1950, 0) / 1000,
      max: Date.UTC(9999, 11, 31) / 1000,
    });
    fc.assert(
      fc.property(second, (value) => {
        expect(roundTrip(value * 1000)).toBe(value * 1000);
      }),
    );
  });

  test("are UTCTime through 2049 and GeneralizedTime from 2050", () => {
    expect(writeTime(Date.UTC(2049, 11, 31, 23, 59, 59)).tag).toBe(derTag.utcTime);
    expect(writeTime(Date.UTC(2050, 0, 1)).tag).toBe(derTag.generalizedTime);
    expect(() => writeTime(Date.UTC(1949, 11, 31))).toThrow(/1950/);
    expect(() => writeTime(Number.NaN)).toThrow(/1950/);
  });

  test.each([
    [derTag.utcTime, "2602290000Z"],
    [derTag.utcTime, "260229000000Z"],
    [derTag.utcTime, "261301000000Z"],
    [derTag.utcTime, "260100000000Z"],
    [derTag.utcTime, "260101240000Z"],
    [derTag.utcTime, "260101000060Z"],
    [derTag.utcTime, "260101000000+0000"],
    [derTag.generalizedTime, "20260101000000.5Z"],
    [derTag.generalizedTime, "260101000000Z"],
    [derTag.generalizedTime, ""],
  ])("refuse 0x%s %j", (tag, text) => {
    expect(() => readTime(timeElement(tag, text))).toThrow(/not a valid date/);
  });
});

describe("leafValidity", () => {
  const nowMs = Date.UTC(2026, 10, 22, 12);

  test("keeps its promises when the times are any", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2060, 0) }),
        fc.integer({ min: 60, max: 400 * 86_400 }),
        fc.integer({ min: 0, max: 86_400 }),
        fc.integer({ min: 1, max: 4000 * 86_400 }),
        (now, lifetimeSeconds, backdateSeconds, issuerSeconds) => {
          const issuerNotAfterMs = (Math.floor(now / 1000) + issuerSeconds) * 1000;
          fc.pre(issuerNotAfterMs > now);
          const validity = leafValidity({
            nowMs: now,
            lifetimeSeconds,
            backdateSeconds,
            issuerNotAfterMs,
          });
          expect(validity.notAfterMs).toBeLessThanOrEqual(issuerNotAfterMs);
          expect(validity.notBeforeMs).toBeLessThanOrEqual(now - backdateSeconds * 1000);
          expect(validity.cut).toBe(lifetimeSeconds > issuerSeconds);
          expect(roundTrip(validity.notBeforeMs)).toBe(validity.notBeforeMs);
          expect(roundTrip(validity.notAfterMs)).toBe(validity.notAfterMs);
        },
      ),
    );
  });

  test("is refused when the issuer has ended", () => {
    const times = { nowMs, lifetimeSeconds: 60, backdateSeconds: 0, issuerNotAfterMs: nowMs };
    expect(() => leafValidity(times)).toThrow(
      expect.objectContaining({ code: "certificate-rejected" }),
    );
  });
});
