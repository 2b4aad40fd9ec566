import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, type ProcessId } from "../../kit/index.ts";
import type { Admin } from "../admin-session.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { findInstance } from "../lookup.ts";

const pollMs = 250;
/** What keeps an instance from running for so long does not pass by itself. */
const hinderedMsMax = 5_000;
/** One that is starting may get through all the same. */
const startingMsMax = 15_000;

export interface InstanceWish {
  /** Name or id. */
  readonly instance: string;
  readonly group: string | undefined;
  readonly timeoutSeconds: number;
}

/**
 * `gatehouse instance start|stop`: sets what is wanted, and waits until it is so. Throws `timeout`, and
 * as soon as it is known to be in vain `not-running`, `awaiting-signature`.
 */
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
  let hinderedSinceMs = Infinity;
  for (;;) {
    const topology = await admin.call("getTopology");
    const { state, hostId } = findInstance(topology, id, undefined);
    if (state === wanted) return;
    const hindrance = wanted === "running" ? await hindranceOf(admin, id) : null;
    const nowMs = performance.now();
    hinderedSinceMs = hindrance === null ? Infinity : Math.min(hinderedSinceMs, nowMs);
    const graceMs = state === "starting" ? startingMsMax : hinderedMsMax;
    if (hindrance !== null && nowMs - hinderedSinceMs > graceMs) throw hindrance;
    if (nowMs > endMs) {
      const host = topology.hosts.find((candidate) => candidate.id === hostId);
      const why =
        host?.connected === false
          ? `its host ${host.name} is not connected; it follows when it comes back`
          : `it is ${state}; its log is in the instance's logs folder on ${host?.name ?? hostId}${await unsignableText(admin)}`;
      throw new DomainError(
        "timeout",
        `instance ${id} is not ${wanted} after ${seconds} s: ${why}`,
      );
    }
    await sleep(pollMs);
  }
}

/** Why an instance does not run, as the findings say it; null while it does, or may soon. */
async function hindranceOf(admin: Admin, id: ProcessId): Promise<DomainError | null> {
  const { findings } = await admin.call("listFindings");
  const textOf = (wanted: string, of: string): string | undefined =>
    findings.find(({ code, subject }) => code === wanted && subject === of)?.text;
  const failure = textOf("instance-failed", id);
  if (failure !== undefined) return new DomainError("not-running", failure);
  const awaited = textOf("awaiting-signature", `${id}/management`);
  return awaited === undefined ? null : new DomainError("awaiting-signature", awaited);
}

/** What keeps certificates from being issued, as the findings say it. */
async function unsignableText(admin: Admin): Promise<string> {
  const { findings } = await admin.call("listFindings");
  const found = findings.find(({ code }) => code === "authority-cannot-sign");
  return found === undefined ? "" : `; ${found.text}`;
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
    const failure = state === "running" ? null : await hindranceOf(admin, id);
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
