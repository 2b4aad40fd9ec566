import { setTimeout as delay } from "node:timers/promises";

/** How long the parts of a drain may take, counted from its start. */
export interface DrainTimes {
  /** Connections are still taken, so that a load balancer sees the failing health check. */
  readonly noticeMs: number;
  /** Without a request for this long, nobody needs more notice. */
  readonly quietMs: number;
  /** What is open then is cut off. */
  readonly deadlineMs: number;
}

export const defaultDrainTimes: DrainTimes = {
  noticeMs: 5_000,
  quietMs: 1_000,
  deadlineMs: 10_000,
};

/** The port that is drained. */
export interface DrainedPort {
  readonly openRequests: number;
  readonly openConnections: number;
  readonly lastRequestMs: number;
  stopListening(): void;
}

const pollMs = 20;

/** Lets open requests finish, and announces the end to those who come; resolves when it may end. */
export async function drain(
  port: DrainedPort,
  times: DrainTimes,
  monotonicMs: () => number,
): Promise<void> {
  const startMs = monotonicMs();
  const until = async (isDone: () => boolean, limitMs: number): Promise<void> => {
    while (!isDone() && monotonicMs() - startMs < limitMs) await delay(pollMs);
  };
  const isQuiet = (): boolean =>
    port.openRequests === 0 &&
    (port.openConnections === 0 || monotonicMs() - port.lastRequestMs >= times.quietMs);
  await until(isQuiet, times.noticeMs);
  port.stopListening();
  await until(() => port.openRequests === 0, times.deadlineMs);
}
