import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { DomainError } from "../kit/index.ts";

/** getent(1) asks whatever the host asks: /etc/passwd, LDAP. */
async function entry(database: "passwd" | "group", name: string): Promise<string[]> {
  try {
    const { stdout } = await promisify(execFile)("getent", [database, name], { timeout: 10_000 });
    return stdout.trim().split(":");
  } catch (cause) {
    const kind = database === "passwd" ? "user" : "group";
    throw new DomainError(
      "not-found",
      `there is no ${kind} ${name} on this host: create it, or name another one`,
      { cause },
    );
  }
}

/** A user and its own group, by name. `not-found` if this host has none. */
export async function userIds(name: string): Promise<{ uid: number; gid: number }> {
  const [, , uid, gid] = await entry("passwd", name);
  return { uid: Number(uid), gid: Number(gid) };
}

/** A group by name. `not-found` if this host has none. */
export async function groupId(name: string): Promise<number> {
  const [, , gid] = await entry("group", name);
  return Number(gid);
}
