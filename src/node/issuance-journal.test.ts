import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AuthorityId, CredentialId } from "../kit/index.ts";
import { faultyFileSystem } from "../../test/support/faulty-file-system.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { IssuanceJournal } from "./issuance-journal.ts";

const entry = (sequence: number) => ({
  atMs: 1,
  credentialId: "nodemanager-1/management" as CredentialId,
  authorityId: "management-1" as AuthorityId,
  sequence,
  certificatePem: `certificate ${sequence}\n`,
});

async function journalOf(entries: number): Promise<string> {
  const path = join(await tempFolder(), "fed", "issuances.jsonl");
  const journal = await IssuanceJournal.open(path);
  for (let i = 1; i <= entries; i++) await journal.append(entry(i));
  return path;
}

const sequences = async (path: string) =>
  (await IssuanceJournal.open(path)).entries.map(({ sequence }) => sequence);

test("a journal that is opened again has its entries in order, each naming the one before", async () => {
  const path = await journalOf(3);
  const { entries } = await IssuanceJournal.open(path);
  expect(entries.map(({ number, sequence }) => [number, sequence])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
  ]);
  expect(entries[0]?.previous).toBeNull();
  expect(new Set(entries.map(({ previous }) => previous)).size).toBe(3);
});

test.each([
  ["a last line that is torn", (text: string) => text.slice(0, -20)],
  ["a last line without its end", (text: string) => text.slice(0, -1)],
  ["an entry that was left out", (text: string) => text.split("\n").toSpliced(1, 1).join("\n")],
  ["an entry that was changed", (text: string) => text.replace("certificate 1", "certificate 9")],
  [
    "two entries in another order",
    (text: string) => text.split("\n").toSorted().reverse().join("\n"),
  ],
])("a journal with %s is refused, with the entry", async (_what, damage) => {
  const path = await journalOf(3);
  await writeFile(path, damage(await readFile(path, "utf8")));
  await expect(IssuanceJournal.open(path)).rejects.toMatchObject({
    code: "state-corrupt",
    message: expect.stringMatching(/is damaged at entry \d/) as string,
  });
});

test("a crash at any step of an append leaves the entries before, or with the new one; none that was acknowledged is lost", async () => {
  for (let faultAt = 0, isOver = false; !isOver; faultAt++) {
    const path = await journalOf(2);
    const files = faultyFileSystem(faultAt, "dead");
    const journal = await IssuanceJournal.open(path, files);
    isOver = await journal.append(entry(3)).then(
      () => true,
      () => false,
    );
    const kept = await sequences(path);
    if (isOver) expect(files.steps.length).toBeGreaterThan(5);
    expect(
      isOver
        ? [[1, 2, 3]]
        : [
            [1, 2],
            [1, 2, 3],
          ],
    ).toContainEqual(kept);
    // What failed is not in what this process goes on with, unless it is acknowledged.
    expect(journal.entries).toHaveLength(isOver ? 3 : 2);
  }
});
