import { setTimeout as delay } from "node:timers/promises";
import { DomainError, isDomainError } from "../../kit/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { stopReason } from "./admin-answers.ts";
import { adminPortOf, type AdminPort } from "./admin-port.ts";
import { formMember } from "./form.ts";
import { readReport, serverState, type ServerReport } from "./read-member.ts";

const pollMs = 50;
const backWithinSecondsDefault = 60;
/** Clocks with whole seconds: a start that is later by more than this is another one. */
const sameStartMsMax = 3_000;

/**
 * Restarts a server over its admin port, with the settings that it is to have, and waits until it went away and is
 * back. One that stopped by itself (an ErrorCode, as 509) is taken out of maintenance; one that somebody
 * put there, or that a split-brain stopped, stays: which data to keep is not ours to decide. Throws
 * `not-running` where it does not answer, `timeout` where it is not back in time, and
 * `generation-refused` where it comes back and stops.
 */
export async function restartMember(member: MemberAt): Promise<void> {
  const { name, description } = member;
  const admin = await adminPortOf(member);
  const before = await readReport(admin).catch((cause: unknown) => {
    if (!isDomainError(cause, "unreachable")) throw cause;
    if (member.restart !== undefined) return null;
    throw new DomainError("not-running", `${name} does not run: start its server`, { cause });
  });
  // One that does not answer can only be started by who supervises it.
  if (before === null) return member.restart?.();
  await formMember(member);
  const { state, errorCode } = before.server;
  const hasStopped = state === serverState.maintenance && errorCode !== 0;
  await admin.post("service/restart", {
    Service: "Server",
    ...(hasStopped ? { Maintenance: "stop" } : {}),
  });
  const after = await untilBack(
    admin,
    before,
    description.backWithinSeconds ?? backWithinSecondsDefault,
    name,
  );
  if (after.server.state === serverState.maintenance && after.server.errorCode !== 0)
    throw new DomainError(
      "generation-refused",
      `${name} came back and stopped: ${stopReason(after.server.errorCode)}`,
    );
}

async function untilBack(
  admin: AdminPort,
  before: ServerReport,
  withinSeconds: number,
  name: string,
): Promise<ServerReport> {
  const end = performance.now() + withinSeconds * 1000;
  for (let wasAway = false; performance.now() < end; await delay(pollMs)) {
    const report = await readReport(admin).catch((error: unknown) => {
      if (isDomainError(error, "unreachable") || isDomainError(error, "timeout")) return null;
      throw error;
    });
    const startedAtMs = report?.server.startedAtMs ?? Number.NaN;
    wasAway ||= report === null || startedAtMs - before.server.startedAtMs > sameStartMsMax;
    if (wasAway && report !== null && report.server.state !== serverState.stopping) return report;
  }
  throw new DomainError(
    "timeout",
    `${name} is not back within ${withinSeconds} s of its restart: look at its host and at imaserver-default.log`,
  );
}
