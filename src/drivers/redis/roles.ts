import { chmod, readFile, stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { WantedRole } from "../../domain/index.ts";
import { writeFileAtomic } from "../../keys/index.ts";
import { DomainError, isDomainError } from "../../kit/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { peerOf } from "../peer.ts";
import { onlineReplicas, readInfo, type Info } from "./info.ts";
import { withSession, type Call } from "./session.ts";

/** The server gives a hand-over up by itself after this time, and goes on as before. */
const handOverMsMax = 10_000;
const pollMs = 50;

interface Pair {
  readonly name: string;
  readonly peer: { readonly name: string; readonly address: string; readonly port: string };
}

/** One step of a member towards its role: see `DriverCode.takeRole`. */
export async function takeRole(member: MemberAt, wanted: WantedRole): Promise<void> {
  const { name, address, values } = peerOf(member);
  const pair: Pair = { name: member.name, peer: { name, address, port: values["port"] ?? "" } };
  const work = async (call: Call): Promise<void> => {
    // One that an earlier Node Manager has begun.
    await settleFailover(call, handOverMsMax);
    const info = await readInfo(call, "replication");
    if (wanted.role === "standby") await standBy(pair, wanted.by, call, info);
    // By hand-over it is the other one's FAILOVER that makes this one a master.
    else if (wanted.by === "promotion" && info["role"] !== "master")
      await call("REPLICAOF", "NO", "ONE");
    await keepRole(call);
  };
  await withSession(member, work).catch(async (error: unknown) => {
    if (!isDomainError(error, "unreachable")) throw error;
    if (wanted.role === "standby" && wanted.by === "promotion") await startAsStandby(member, pair);
  });
}

/** One that does not run, and was active when it last did, is not to take writes when it starts. */
async function startAsStandby({ values }: MemberAt, { peer }: Pair): Promise<void> {
  const path = values["configuration"] ?? "";
  const text = await readFile(path, "utf8");
  const line = `replicaof ${peer.address} ${peer.port}\n`;
  if (text.includes(line)) return;
  const { mode, uid, gid } = await stat(path);
  const others = text.replaceAll(/^(replicaof|slaveof) .*\n/gm, "");
  const end = others === "" || others.endsWith("\n") ? "" : "\n";
  await writeFileAtomic(path, `${others}${end}${line}`, { mode: mode & 0o777, uid, gid });
}

async function standBy(pair: Pair, by: WantedRole["by"], call: Call, info: Info): Promise<void> {
  const { address, port } = pair.peer;
  if (info["role"] === "slave") {
    // After a FAILOVER it may know the other one by another address than ours.
    const isIts = info["master_host"] === address && info["master_port"] === port;
    if (isIts || info["master_link_status"] === "up") return;
  } else if (by === "hand-over") {
    // Nothing is lost where it has nothing and nobody follows it, as in a pair that is being formed.
    const isFollowed = onlineReplicas(info).some((replica) => replica.port === port);
    if (isFollowed || (await call("DBSIZE")) !== 0) return handOver(pair, call, info);
  }
  await call("REPLICAOF", address, port);
}

/** Writes wait meanwhile, and the other one has all of them when it takes over (FAILOVER, Redis 6.2). */
async function handOver({ name, peer }: Pair, call: Call, info: Info): Promise<void> {
  const replica = onlineReplicas(info).find(({ port }) => port === peer.port);
  if (replica === undefined)
    throw new DomainError(
      "conflict",
      `${name} has data that ${peer.name} does not follow: make ${peer.name} its standby first, or promote ${peer.name}, which gives up what only ${name} has`,
    );
  if (info["master_failover_state"] === "no-failover")
    await call("FAILOVER", "TO", replica.ip, replica.port, "TIMEOUT", String(handOverMsMax));
  await settleFailover(call, handOverMsMax + pollMs);
  if ((await readInfo(call, "replication"))["role"] === "slave") return;
  throw new DomainError(
    "timeout",
    `${name} could not hand over to ${peer.name} at ${replica.ip}:${replica.port} within ${handOverMsMax / 1000} s and goes on as the active one: where that is not its address, set replica-announce-ip in the configuration of ${peer.name}; else look at their logs`,
  );
}

/**
 * Waits until no hand-over is under way. While one is, the server calls itself a replica already and takes
 * no other order: one that does not come to its end is given up, and it is active again.
 */
async function settleFailover(call: Call, withinMs: number): Promise<void> {
  const end = performance.now() + withinMs;
  for (;;) {
    const { master_failover_state: state = "no-failover" } = await readInfo(call, "replication");
    if (state === "no-failover") return;
    if (performance.now() > end) break;
    await delay(pollMs);
  }
  await call("FAILOVER", "ABORT");
}

/** In its configuration, too, where that says another one: a restart keeps the role. */
async function keepRole(call: Call): Promise<void> {
  const { role } = await readInfo(call, "replication");
  const { config_file: path = "" } = await readInfo(call, "server");
  const text = await readFile(path, "utf8").catch(() => null);
  if (text !== null && /^(replicaof|slaveof) /m.test(text) === (role === "slave")) return;
  const before = await stat(path).catch(() => null);
  await call("CONFIG", "REWRITE");
  // It is written anew with the umask of the server, and has passwords in it.
  if (before !== null) await chmod(path, before.mode & 0o777).catch(() => undefined);
}
