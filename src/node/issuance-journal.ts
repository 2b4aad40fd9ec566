import { dirname } from "node:path";
import { readFile } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import {
  emptyJournal,
  follows,
  journalText,
  type JournalHead,
  type LocalIssuance,
} from "../domain/index.ts";
import { ensureFolder, writeFileAtomic, type FileSystem } from "../keys/index.ts";
import { sha256Hex } from "../transport/index.ts";

/**
 * What was issued on this host while no Admin Node Manager could be asked. An entry is on disk before
 * its certificate is used; the file is replaced as a whole, so that a crash leaves the one before or
 * the new one. One writer.
 */
export class IssuanceJournal {
  readonly #path: string;
  readonly #files: FileSystem | undefined;
  #entries: readonly LocalIssuance[];

  private constructor(
    path: string,
    entries: readonly LocalIssuance[],
    files: FileSystem | undefined,
  ) {
    this.#path = path;
    this.#entries = entries;
    this.#files = files;
  }

  /** Reads and verifies it; one that is not there is empty. Throws `state-corrupt`, naming the entry. */
  static async open(path: string, files?: FileSystem): Promise<IssuanceJournal> {
    const lines = (await readLines(path)).map((line, i) => parsed(path, line, i + 1));
    let head = emptyJournal;
    for (const entry of lines) {
      if (!follows(head, entry)) throw damaged(path, head.number + 1);
      head = headAt(entry);
    }
    return new IssuanceJournal(path, lines, files);
  }

  get entries(): readonly LocalIssuance[] {
    return this.#entries;
  }

  /** Puts an entry at the end, durable when this resolves. */
  async append(of: Omit<LocalIssuance, "number" | "previous">): Promise<LocalIssuance> {
    const last = this.#entries.at(-1);
    const { number, hash } = last === undefined ? emptyJournal : headAt(last);
    const entry = { ...of, number: number + 1, previous: hash };
    const entries = [...this.#entries, entry];
    const text = entries.map((each) => `${journalText(each)}\n`).join("");
    await ensureFolder(dirname(this.#path), 0o700, this.#files);
    await writeFileAtomic(this.#path, text, { mode: 0o600 }, this.#files);
    this.#entries = entries;
    return entry;
  }
}

function headAt(entry: LocalIssuance): JournalHead {
  return { number: entry.number, hash: sha256Hex(Buffer.from(journalText(entry))) };
}

async function readLines(path: string): Promise<string[]> {
  try {
    const text = await readFile(path, "utf8");
    const lines = text.split("\n");
    // Every line ends: after the last end there is nothing.
    if (lines.pop() !== "") throw damaged(path, lines.length + 1);
    return lines;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw cause;
  }
}

function parsed(path: string, line: string, number: number): LocalIssuance {
  try {
    return JSON.parse(line) as LocalIssuance;
  } catch (cause) {
    throw damaged(path, number, cause);
  }
}

function damaged(path: string, number: number, cause?: unknown): DomainError {
  return new DomainError(
    "state-corrupt",
    `${path} is damaged at entry ${number}: restore it from a copy of this home; without it nobody knows what was issued here while no Admin Node Manager ran`,
    { cause },
  );
}
