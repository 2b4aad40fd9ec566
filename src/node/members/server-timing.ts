import { setTimeout as sleep } from "node:timers/promises";
import {
  servedFingerprint,
  traitsOf,
  type Description,
  type MemberAt,
  type ServerState,
} from "../../drivers/index.ts";
import type { Supervisor } from "../supervisor.ts";

const stopWithinSecondsDefault = 15;
const servedWithinSecondsDefault = 30;
const backWithinSecondsDefault = 60;
/** A server that cannot begin with what it was given ends within this time. */
const earlyEndMs = 1_500;
const pollMs = 50;

/** How a server is when a generation is brought to it; `ended`: its process was started, and is gone. */
export type AtInstall = ServerState | "ended";

/** How long it may take to end after SIGTERM. */
export function stopMsMax({ start }: Description): number {
  return (start?.stopWithinSeconds ?? stopWithinSecondsDefault) * 1000;
}

/** True if the process that was just started is gone before its first port shows anything. */
export async function endsEarly(
  supervisor: Supervisor,
  { served: [port] }: Description,
): Promise<boolean> {
  const endMs = performance.now() + earlyEndMs;
  while (performance.now() < endMs) {
    if (!(await supervisor.isRunning())) return true;
    const isShown =
      port !== undefined &&
      servedFingerprint(port).then(
        () => true,
        () => false,
      );
    if (await isShown) return false;
    await sleep(pollMs);
  }
  return false;
}

/**
 * A member that has as much time to show its certificate as its driver says that it needs when it is
 * started; almost none, where its process has ended.
 */
export function withTime(member: MemberAt, server: AtInstall, isSameTrust: boolean): MemberAt {
  const { description } = member;
  const {
    servedWithinSeconds = servedWithinSecondsDefault,
    backWithinSeconds = backWithinSecondsDefault,
  } = description;
  const { keyBy, trustBy } = traitsOf(description);
  const isRestart =
    server === "started" || keyBy === "restart" || (trustBy === "restart" && !isSameTrust);
  const inSeconds = (seconds: number): MemberAt => ({
    ...member,
    description: { ...description, servedWithinSeconds: seconds },
  });
  if (server === "ended") return inSeconds(1);
  return isRestart ? inSeconds(Math.max(servedWithinSeconds, backWithinSeconds)) : member;
}
