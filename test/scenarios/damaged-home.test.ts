import { existsSync, statSync } from "node:fs";
import { chmod, readFile, rename, writeFile } from "node:fs/promises";
import { beforeEach, expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import { errorCodes } from "../../src/kit/index.ts";
import { ProgramRuns } from "../support/program-runs.ts";

const start = "gatehouse node start --home one";
let runs: ProgramRuns;

beforeEach(async () => {
  runs = await ProgramRuns.open();
  await runs.done(`managedomain -i ${runs.firstHost}`);
});

/** Starting is refused as `state-corrupt`, with a line that names the file and no parser's words. */
async function refusedNaming(file: string): Promise<void> {
  const { status, err } = await runs.run(start);
  expect(`${status} ${err}`).toMatch(
    new RegExp(`^${errorCodes["state-corrupt"].exit} gatehouse: [^\\n]*${file}[^\\n]*\\n$`),
  );
  expect(err).not.toMatch(/JSON at|Unexpected|SyntaxError|DECODER|PEM routines|asn1/);
}

test("a damaged file of the home folder is one line that names it", async () => {
  const layout = homeLayout(runs.path("one"));
  const current = `${layout.nodeCredential}/current`;
  for (const [file, text] of [
    [`${current}/key.pem`, "garbage"],
    [`${current}/certificate.pem`, "garbage"],
    [layout.nodeSettings, "{}"],
    [layout.trustKey, "garbage"],
    [layout.desiredState, "garbage"],
  ] as const) {
    const kept = existsSync(file) ? await readFile(file) : null;
    await writeFile(file, text, { mode: 0o600 });
    await refusedNaming(file);
    if (kept !== null) await writeFile(file, kept);
  }
});

test("a database that is gone is asked for, and none is made in its place", async () => {
  const { store } = homeLayout(runs.path("one"));
  const [database, away] = [`${store}/gatehouse.db`, runs.path("away")];
  await rename(database, away);
  await refusedNaming("gatehouse.db");
  expect(existsSync(database)).toBe(false);
  await rename(away, database);
  await rename(store, away);
  await refusedNaming("gatehouse.db");
  expect(existsSync(store)).toBe(false);
  await rename(away, store);
  await runs.done(start);
});

test("a home folder is its owner's alone, and a key that others can read is refused", async () => {
  const layout = homeLayout(runs.path("one"));
  const modeOf = (path: string): number => statSync(path).mode & 0o777;
  expect(modeOf(layout.home)).toBe(0o700);
  expect(modeOf(`${layout.store}/gatehouse.lock`)).toBe(0o600);
  await chmod(`${layout.nodeCredential}/current/key.pem`, 0o644);
  await runs.refused("forbidden", start);
});
