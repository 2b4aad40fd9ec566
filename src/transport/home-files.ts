import { readFile } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import type { NodeSettings } from "../domain/index.ts";

/** What a state file holds, or null if there is none. Throws `read-only`, `state-corrupt`. */
export async function readStateFile<T>(path: string): Promise<T | null> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new DomainError("read-only", `${path} cannot be read: check its owner and mode`, {
      cause,
    });
  }
  try {
    const value = JSON.parse(text) as T | null;
    if (value !== null) return value;
  } catch (cause) {
    throw new DomainError("state-corrupt", `${path} is not JSON: restore it from a backup`, {
      cause,
    });
  }
  throw new DomainError("state-corrupt", `${path} holds nothing: restore it from a backup`);
}

const kinds: Readonly<
  Record<Exclude<keyof NodeSettings, "dial">, "string" | "number" | "boolean">
> = {
  domain: "string",
  hostId: "string",
  nodeManagerId: "string",
  name: "string",
  port: "number",
  isAdmin: "boolean",
  trustKeyId: "string",
  adminAddress: "string",
  adminPort: "number",
};

/**
 * The settings of a home folder, or null where it is not part of a domain. Throws `read-only`,
 * `state-corrupt`.
 */
export async function readNodeSettings(path: string): Promise<NodeSettings | null> {
  const settings = await readStateFile<Record<string, unknown>>(path);
  if (settings === null) return null;
  const wrong = Object.entries(kinds).find(([name, kind]) => typeof settings[name] !== kind);
  if (wrong === undefined) return settings as unknown as NodeSettings;
  throw new DomainError(
    "state-corrupt",
    `${path} does not say what the host is (no ${wrong[0]}): restore it from a backup`,
  );
}
