import { readFile } from "node:fs/promises";

/** What a program wrote last to its log, as text for people; empty where it wrote nothing. */
export async function lastLine(log: string): Promise<string> {
  const text = await readFile(log, "utf8").catch(() => "");
  const line = text.trimEnd().split("\n").at(-1) ?? "";
  try {
    return String((JSON.parse(line) as { msg?: unknown }).msg);
  } catch {
    return line;
  }
}
