import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { ensureFolder, writeFileAtomic } from "../keys/index.ts";
import { readTextFileIfThere } from "./text-file.ts";

/** A login that is kept for the next commands, by `gatehouse login`. */
export interface SavedSession {
  /** The domain that gave it: it is shown to no other. */
  readonly domain: string;
  readonly username: string;
  readonly token: string;
  readonly expiresAtMs: number;
}

const pathIn = (home: string): string => join(home, "run", "session");

/** The kept session of a home for a domain, if there is one that has not expired. */
export async function readSession(home: string, domain: string): Promise<SavedSession | null> {
  const text = await readTextFileIfThere(pathIn(home), "the session file");
  if (text === null) return null;
  try {
    const saved = JSON.parse(text) as SavedSession;
    return saved.domain === domain && saved.expiresAtMs > Date.now() ? saved : null;
  } catch {
    return null;
  }
}

export async function saveSession(home: string, session: SavedSession): Promise<void> {
  await ensureFolder(dirname(pathIn(home)), 0o700);
  await writeFileAtomic(pathIn(home), JSON.stringify(session), { mode: 0o600 });
}

export async function forgetSession(home: string): Promise<void> {
  await rm(pathIn(home), { force: true });
}
