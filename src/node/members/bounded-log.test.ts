import { appendFile, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { boundLog } from "./bounded-log.ts";

test("a log that is too long begins anew, for who has it open too, and what was there is kept once", async () => {
  const path = join(await tempFolder(), "log");
  await using writer = await open(path, "a");
  await writer.write("short");
  await boundLog(path, 5);
  expect(await readFile(path, "utf8")).toBe("short");
  await writer.write(" no more");
  await boundLog(path, 5);
  await writer.write("next");
  expect(await readFile(path, "utf8")).toBe("next");
  expect(await readFile(`${path}.1`, "utf8")).toBe("short no more");
  await appendFile(path, " again");
  await boundLog(path, 5);
  expect(await readFile(`${path}.1`, "utf8")).toBe("next again");
});

test("a log that is not there yet is no failure", async () => {
  await expect(boundLog(join(await tempFolder(), "log"))).resolves.toBeUndefined();
});
