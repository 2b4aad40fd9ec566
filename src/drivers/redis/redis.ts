import { isDomainError } from "../../kit/index.ts";
import type { DriverCode, MemberAt } from "../driver-code.ts";
import { liveFile } from "../live-files.ts";
import { readInfo, statusOf } from "./info.ts";
import { takeRole } from "./roles.ts";
import { withSession } from "./session.ts";

/** A Redis server, alone or in a pair with replication by TLS. */
export const redis: DriverCode = {
  reload,
  takeRole,
  status: async (member) => {
    try {
      return await withSession(member, async (call) =>
        statusOf(
          await readInfo(call, "replication"),
          await readInfo(call, "stats"),
          member.others.length > 0,
        ),
      );
    } catch (error) {
      if (isDomainError(error, "unreachable")) return null;
      throw error;
    }
  },
};

/** All files in one command: the server takes all of them, or goes on with those that it has. */
async function reload(member: MemberAt): Promise<void> {
  const { description } = member;
  const settings = [
    ["tls-key-file", liveFile(description, "key", "combined")],
    ["tls-cert-file", liveFile(description, "certificate-and-chain", "certificate", "combined")],
    ["tls-ca-cert-file", liveFile(description, "trust-bundle")],
  ].flatMap(([name = "", path]) => (path === undefined ? [] : [name, path]));
  await withSession(member, (call) => call("CONFIG", "SET", ...settings));
}
