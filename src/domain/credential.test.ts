import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuthorityId, ProcessId } from "../kit/index.ts";
import {
  credentialId,
  fits,
  forgetSuperseded,
  recordConfirmed,
  recordIssued,
  type DesiredCredential,
  type RecordedKey,
} from "./credential.ts";

const first = "management-1" as AuthorityId;
const second = "management-2" as AuthorityId;

function key(sequence: number, changes: Partial<RecordedKey> = {}): RecordedKey {
  return {
    spki: `key ${sequence}`,
    serial: `serial ${sequence}`,
    sequence,
    authorityId: first,
    notBeforeMs: 0,
    notAfterMs: 1,
    confirmed: false,
    ...changes,
  };
}

const confirmed = { confirmed: true };

function sequences(keys: readonly RecordedKey[]): number[] {
  return keys.map(({ sequence }) => sequence);
}

function desire(changes: Partial<DesiredCredential> = {}): DesiredCredential {
  return { authorityId: first, minSequence: 1, maxSequence: null, ...changes };
}

test("credentialId joins process and usage", () => {
  expect(credentialId("instance-2" as ProcessId, "traffic")).toBe("instance-2/traffic");
});

describe("fits", () => {
  test.each<[string, number, AuthorityId, Partial<DesiredCredential>, boolean]>([
    ["the lowest wanted sequence", 3, first, { minSequence: 3 }, true],
    ["one below it", 2, first, { minSequence: 3 }, false],
    ["any later one without an upper end", 99, first, { minSequence: 3 }, true],
    ["the upper end", 5, first, { maxSequence: 5 }, true],
    ["one above the upper end", 6, first, { maxSequence: 5 }, false],
    ["another authority", 3, second, {}, false],
  ])("for %s", (_, sequence, authorityId, desired, expected) => {
    expect(fits({ sequence, authorityId }, desire(desired))).toBe(expected);
  });
});

describe("recordIssued", () => {
  test("keeps every confirmed key and the two newest tries before the new one", () => {
    const before = [key(1, confirmed), key(2), key(3), key(4), key(5, confirmed), key(6)];
    expect(sequences(recordIssued(before, key(7)))).toEqual([1, 4, 5, 6, 7]);
  });

  test("records the new key, keeps confirmed ones and stays in order, whatever was before", () => {
    const histories = fc.array(fc.boolean(), { maxLength: 20 });
    fc.assert(
      fc.property(histories, (flags) => {
        const before = flags.map((flag, i) => key(i + 1, { confirmed: flag }));
        const after = recordIssued(before, key(flags.length + 1));
        expect(after.at(-1)).toEqual(key(flags.length + 1));
        expect(after).toEqual(after.toSorted((a, b) => a.sequence - b.sequence));
        expect(after.filter((k) => k.confirmed)).toEqual(before.filter((k) => k.confirmed));
        expect(after.filter((k) => !k.confirmed).length).toBeLessThanOrEqual(3);
      }),
    );
  });
});

describe("recordConfirmed", () => {
  test("marks the key with the serial and forgets nothing", () => {
    const after = recordConfirmed([key(1), key(2), key(3)], "serial 2");
    expect(after.map((k) => k.confirmed)).toEqual([false, true, false]);
  });

  test("changes nothing for a serial that is not recorded", () => {
    expect(recordConfirmed([key(1)], "serial 9")).toEqual([key(1)]);
  });
});

describe("forgetSuperseded", () => {
  test("forgets what is older than the newest confirmed key", () => {
    const recorded = [key(1, confirmed), key(2), key(3, confirmed), key(4)];
    expect(sequences(forgetSuperseded({ desired: desire(), recorded }))).toEqual([3, 4]);
  });

  test("forgets nothing before any key was seen on the wire", () => {
    const recorded = [key(1), key(2)];
    expect(forgetSuperseded({ desired: desire(), recorded })).toEqual(recorded);
  });

  test("keeps the key that is presented again when a rollback wants the earlier authority", () => {
    const recorded = [key(4, confirmed), key(5, { ...confirmed, authorityId: second })];
    const desired = desire({ maxSequence: 4 });
    expect(sequences(forgetSuperseded({ desired, recorded }))).toEqual([4, 5]);
  });

  test("keeps the key that is presented again when leaves of one authority are taken back", () => {
    const recorded = [key(3, confirmed), key(4, confirmed), key(5, confirmed)];
    const desired = desire({ maxSequence: 4 });
    expect(sequences(forgetSuperseded({ desired, recorded }))).toEqual([4, 5]);
  });

  test("never forgets the newest confirmed key that is desired, whatever is recorded", () => {
    const keys = fc.array(
      fc.record({ confirmed: fc.boolean(), authorityId: fc.constantFrom(first, second) }),
      { maxLength: 12 },
    );
    const desires = fc.record({
      authorityId: fc.constantFrom(first, second),
      minSequence: fc.integer({ min: 1, max: 12 }),
      maxSequence: fc.option(fc.integer({ min: 1, max: 12 })),
    });
    fc.assert(
      fc.property(keys, desires, (list, desired) => {
        const recorded = list.map((changes, i) => key(i + 1, changes));
        const kept = forgetSuperseded({ desired, recorded });
        const presentable = recorded.findLast((k) => k.confirmed && fits(k, desired));
        if (presentable === undefined) expect(kept).toEqual(recorded);
        else expect(kept[0]).toEqual(presentable);
        expect(kept).toEqual(recorded.slice(recorded.length - kept.length));
      }),
    );
  });
});
