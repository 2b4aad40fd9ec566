import type { MemberStatus } from "../../domain/index.ts";
import type { Call } from "./session.ts";

/** A replica is as far as the master if it said so within this time: it does so every second. */
const lagSecondsMax = 2;

/** What a server says in INFO, by field. */
export type Info = Readonly<Record<string, string>>;

export async function readInfo(
  call: Call,
  section: "replication" | "server" | "stats",
): Promise<Info> {
  const text = String(await call("INFO", section));
  return Object.fromEntries(
    text.split("\r\n").flatMap((line) => {
      const at = line.indexOf(":");
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
}

interface Replica {
  readonly ip: string;
  readonly port: string;
}

/** Replicas that have everything, up to what is on its way. */
export function onlineReplicas(info: Info): Replica[] {
  return Object.entries(info).flatMap(([name, value]) => {
    if (!/^slave\d+$/.test(name)) return [];
    const {
      ip = "",
      port = "",
      state,
      lag,
    } = Object.fromEntries(value.split(",").map((each) => each.split("="))) as Partial<
      Record<string, string>
    >;
    return state === "online" && Number(lag) <= lagSecondsMax ? [{ ip, port }] : [];
  });
}

/** The status of a member from its own replication and statistics; `hasPeers`: it should replicate. */
export function statusOf(replication: Info, stats: Info, hasPeers: boolean): MemberStatus {
  const isActive = replication["role"] === "master";
  const connected = isActive
    ? onlineReplicas(replication).length
    : Number(replication["master_link_status"] === "up");
  const known = isActive ? Number(replication["connected_slaves"] ?? 0) : 1;
  return {
    role: isActive ? "active" : "standby",
    members: known + 1,
    connected,
    synchronised: hasPeers || !isActive ? connected > 0 : null,
    operations: Number(stats["total_commands_processed"] ?? 0),
    failures: Number(stats["total_error_replies"] ?? 0),
  };
}
