import { existsSync } from "node:fs";
import { appendFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { systemCode } from "../../keys/index.ts";
import { DomainError, isDomainError } from "../../kit/index.ts";
import type { MemberAt, PeerMember } from "../driver-code.ts";
import { conninfoOf, literal, type PostgresServer } from "./server.ts";

/** A copy of all data may take its time. */
const copySecondsMax = 6 * 3_600;

/**
 * Copies the other member's data into the empty data folder, as those of a standby. What a dead
 * process left unfinished is begun anew.
 */
export async function copyFrom(
  server: PostgresServer,
  member: MemberAt,
  peer: PeerMember,
): Promise<void> {
  const unfinished = await copyBeside(server, member, peer);
  await rmdir(server.data).catch((cause: unknown) => {
    if (systemCode(cause) === "ENOENT") return;
    throw new DomainError(
      "conflict",
      `${server.data} holds no database cluster and is not empty: move away what is in it`,
      { cause },
    );
  });
  await rename(unfinished, server.data);
}

async function copyBeside(
  server: PostgresServer,
  member: MemberAt,
  peer: PeerMember,
): Promise<string> {
  const unfinished = `${server.data}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  const source = ["-d", conninfoOf(member, peer), "-X", "stream", "-c", "fast", "-w"];
  await server.run("pg_basebackup", ["-D", unfinished, "-R", ...source], copySecondsMax);
  return unfinished;
}

/** Before a start: whom it follows. */
export async function followAtStart(
  { data }: PostgresServer,
  member: MemberAt,
  peer: PeerMember,
): Promise<void> {
  const line = `primary_conninfo = ${literal(conninfoOf(member, peer))}\n`;
  await appendFile(join(data, "postgresql.auto.conf"), line);
}

/** Kept until it is done: a start in between would hide that it is to be done. */
function rewindMark({ data }: PostgresServer): string {
  return join(data, "gatehouse-rewind");
}

/** Whether a rewind was begun and has not been finished. */
export function owesRewind(server: PostgresServer): boolean {
  return existsSync(rewindMark(server));
}

/**
 * Gives up what a stopped server has written and the other one, which was promoted, does not have. Where
 * pg_rewind cannot (too little WAL is kept, hints are not logged), all is copied anew, and the old data
 * stay beside it, in `.replaced`.
 */
export async function rewind(
  server: PostgresServer,
  member: MemberAt,
  peer: PeerMember,
): Promise<void> {
  const { data, configuration } = server;
  const source = `${conninfoOf(member, peer)} dbname=postgres`;
  await writeFile(rewindMark(server), "");
  const target = ["--target-pgdata", data, `--config-file=${configuration}`];
  try {
    await server.run("pg_rewind", [...target, "--source-server", source], copySecondsMax);
  } catch (error) {
    if (!isDomainError(error, "generation-refused")) throw error;
    const unfinished = await copyBeside(server, member, peer);
    await rm(`${data}.replaced`, { recursive: true, force: true });
    await rename(data, `${data}.replaced`);
    await rename(unfinished, data);
  }
  await rm(rewindMark(server), { force: true });
}
