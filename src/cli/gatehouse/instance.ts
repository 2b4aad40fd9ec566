import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, type ProcessId } from "../../kit/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { findInstance } from "../lookup.ts";

const pollMs = 250;
/** An instance that was started in vain for so long does not run by itself any more. */
const failedMsMax = 5_000;

export interface InstanceWish {
  /** Name or id. */
  readonly instance: string;
  readonly group: string | undefined;
  readonly timeoutSeconds: number;
}

/** `gatehouse instance start|stop`: sets what is wanted, and waits until it is so. Throws `not-running`, `timeout`. */
export function setEnabled(
  context: CommandContext,
  wish: InstanceWish,
  enabled: boolean,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { id, name } = findInstance(await admin.call("getTopology"), wish.instance, wish.group);
    await admin.call("setInstanceEnabled", { params: { id }, body: { enabled } });
    await waitFor(admin, id, enabled ? "running" : "stopped", wish.timeoutSeconds);
    context.terminal.out(`Instance ${name} [${id}] is ${enabled ? "running" : "stopped"}.`);
  });
}

async function waitFor(
  admin: Admin,
  id: ProcessId,
  wanted: "running" | "stopped",
  seconds: number,
): Promise<void> {
  const endMs = performance.now() + seconds * 1000;
  let failedSinceMs = Infinity;
  for (;;) {
    const topology = await admin.call("getTopology");
    const { state, hostId } = findInstance(topology, id, undefined);
    if (state === wanted) return;
    if (state === "failed") failedSinceMs = Math.min(failedSinceMs, performance.now());
    if (performance.now() - failedSinceMs > failedMsMax) {
      const failure = await failureOf(admin, id);
      if (failure !== null) throw failure;
    }
    if (performance.now() > endMs) {
      const host = topology.hosts.find((candidate) => candidate.id === hostId);
      const why =
        host?.connected === false
          ? `its host ${host.name} is not connected; it follows when it comes back`
          : `it is ${state}; its log is in the instance's logs folder on ${host?.name ?? hostId}`;
      throw new DomainError(
        "timeout",
        `instance ${id} is not ${wanted} after ${seconds} s: ${why}`,
      );
    }
    await sleep(pollMs);
  }
}

/** Why an instance does not run, as the findings say it; null while it does, or may soon. */
async function failureOf(admin: Admin, id: ProcessId): Promise<DomainError | null> {
  const { findings } = await admin.call("listFindings");
  const found = findings.find(({ code, subject }) => code === "instance-failed" && subject === id);
  return found === undefined ? null : new DomainError("not-running", found.text);
}

/** `gatehouse instance status`. Throws `not-running` where it does not run. */
export function showInstance(
  context: CommandContext,
  wish: Omit<InstanceWish, "timeoutSeconds">,
): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { group, ...instance } = findInstance(
      await admin.call("getTopology"),
      wish.instance,
      wish.group,
    );
    const { id, name, hostId, state, managementPort, servicesPort } = instance;
    const failure = state === "running" ? null : await failureOf(admin, id);
    const text =
      failure?.message ??
      `instance ${name} [${id}] of group ${group.name} on ${hostId} is ${state}`;
    if (state !== "running" && !context.json) throw new DomainError("not-running", text);
    printResult(
      context,
      { ...instance, group: group.name },
      () => `${text}; management port ${managementPort}, services port ${servicesPort}`,
    );
    if (state !== "running") throw new DomainError("not-running", text);
  });
}
