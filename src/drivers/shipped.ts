import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "../kit/index.ts";
import type { Description } from "./description.ts";
import { readDescription } from "./read-description.ts";

/** Beside `src/` and `dist/` alike. */
const folder = join(import.meta.dirname, "..", "..", "drivers");

/** The names of the drivers that come with Gatehouse, in order. */
export async function shippedDrivers(): Promise<string[]> {
  const names = await readdir(folder);
  return names.flatMap((name) => /^(.+)\.yaml$/.exec(name)?.[1] ?? []).toSorted();
}

/** One of them; a DomainError `not-found` that lists them if there is none of this name. */
export async function shippedDriver(name: string): Promise<Description> {
  const names = await shippedDrivers();
  if (!names.includes(name))
    throw new DomainError(
      "not-found",
      `there is no driver ${name}: name one of ${names.join(", ")}, or the file of your own`,
    );
  const path = join(folder, `${name}.yaml`);
  return readDescription(await readFile(path, "utf8"), path);
}
