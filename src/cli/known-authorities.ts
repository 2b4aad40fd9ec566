import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { ensureFolder, writeFileAtomic } from "../keys/index.ts";
import type { ServerAddress } from "../transport/index.ts";
import { readTextFileIfThere } from "./text-file.ts";

/** What a person confirmed at the first contact with a server. */
export interface KnownAuthority {
  /** Hex SHA-256 of the management CA that was confirmed. */
  readonly fingerprint: string;
  /** The trust-signing key of that domain, hex SHA-256 of its SPKI: it outlives every CA. */
  readonly trustKeyId: string;
}

/** The file of confirmed servers of this user: `host:port fingerprint trust-signing-key` a line. */
export function knownAuthoritiesPath(): string {
  return join(homedir(), ".gatehouse", "known-authorities");
}

const nameOf = (server: ServerAddress): string => `${server.address}:${server.port}`;

/** What was confirmed for a server, or null. */
export async function findKnownAuthority(server: ServerAddress): Promise<KnownAuthority | null> {
  const text = (await readTextFileIfThere(knownAuthoritiesPath(), "the file")) ?? "";
  for (const line of text.split("\n")) {
    const [name, fingerprint, trustKeyId] = line.split(" ");
    if (name === nameOf(server) && fingerprint !== undefined && trustKeyId !== undefined)
      return { fingerprint, trustKeyId };
  }
  return null;
}

/** Remembers a server, in place of what was known of it before. */
export async function rememberAuthority(
  server: ServerAddress,
  known: KnownAuthority,
): Promise<void> {
  const path = knownAuthoritiesPath();
  const before = (await readTextFileIfThere(path, "the file")) ?? "";
  const kept = before
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith(`${nameOf(server)} `));
  const lines = [...kept, `${nameOf(server)} ${known.fingerprint} ${known.trustKeyId}`];
  await ensureFolder(dirname(path), 0o700);
  await writeFileAtomic(path, `${lines.join("\n")}\n`, { mode: 0o600 });
}
