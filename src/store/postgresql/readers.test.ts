import { expect, test } from "vitest";
import { DomainError } from "../../kit/index.ts";
import { statement } from "../statement.ts";
import type { Connection } from "./connection.ts";
import { Readers } from "./readers.ts";

const query = statement((db) => db.selectFrom("counters").select("value"))({});
const noPrimary = new DomainError("store-unavailable", "no server takes writes");

/** Readers of a database that has a primary from the `answersFrom`th try on. */
function readers(answersFrom: number, isAway: () => boolean) {
  let tries = 0;
  const open = async (): Promise<Connection> => {
    tries += 1;
    if (tries < answersFrom) throw noPrimary;
    return { rows: async () => [{ value: 7 }], isLost: false, close: () => {} } as never;
  };
  return { readers: new Readers(open, isAway), tries: () => tries };
}

test("a read waits for a primary while one is being promoted", async () => {
  const { readers: reading, tries } = readers(4, () => false);
  expect(await reading.rows(query)).toEqual([{ value: 7 }]);
  expect(tries()).toBe(4);
});

test("a read of a database that is away ends at once", async () => {
  const { readers: reading, tries } = readers(4, () => true);
  await expect(reading.rows(query)).rejects.toBe(noPrimary);
  expect(tries()).toBe(1);
});
