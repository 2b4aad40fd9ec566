import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { tempFolder } from "../../../test/support/temp-folder.ts";

const module = JSON.stringify(new URL("./checkpoints.ts", import.meta.url).href);
const program = `
  const { Checkpoints } = await import(${module});
  for (let i = 0; i < 80; i++) {
    const checkpoints = new Checkpoints(process.argv[1]);
    await new Promise((resolve) => setTimeout(resolve, 15 + (i % 40)));
    await checkpoints.close();
  }
  console.log("closed");`;

// A thread that is ended by force while it loads SQLite aborts its process.
test("Checkpoints are closed at any moment after they were opened", async () => {
  const file = join(await tempFolder(), "gatehouse.db");
  const database = new Database(file);
  database.pragma("journal_mode = WAL");
  database.exec("create table numbers (number)");
  database.close();
  const args = ["--input-type=module", "-e", program, file];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(stdout).toBe("closed\n");
});
