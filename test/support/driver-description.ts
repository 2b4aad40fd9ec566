import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { shippedDriver, type Description } from "../../src/drivers/index.ts";
import { readDescription } from "../../src/drivers/read-description.ts";

export const exampleFolder = join(import.meta.dirname, "..", "..", "examples", "stunnel");

/** A driver that comes with Gatehouse, or that of the example. */
export async function driverDescription(name: string): Promise<Description> {
  if (name !== "stunnel") return shippedDriver(name);
  const path = join(exampleFolder, "driver.yaml");
  return readDescription(await readFile(path, "utf8"), path);
}
