import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kit/index.ts";
import type { TopologyCheck } from "../../contract/index.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import { findHost } from "../lookup.ts";
import { count, table, timeText } from "../render/table.ts";
import type { Given } from "./command-line.ts";

const synchronizeSecondsMax = 30;
const pollMs = 250;

/** `managedomain --topology_check`: throws `topology-differs` unless everybody holds the present one. */
export function checkTopology(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const check = await admin.call("checkTopology");
    reportCheck(context, check);
  });
}

/** `managedomain --topology_compare`: throws `topology-differs` if there is a difference. */
export function compareTopology(context: CommandContext, given: Given): Promise<void> {
  return asAdmin(context, async (admin) => {
    const check = await admin.call("checkTopology");
    const named = given.text("host");
    const at = named === undefined ? null : findHost(await admin.call("getTopology"), named).id;
    const silent = check.admins.filter(({ said, hostId }) => said === null && isAt(at, hostId));
    for (const { name, problem } of silent)
      context.terminal.err(`${name} could not be compared: ${problem ?? "it says nothing"}`);
    for (const { name } of check.hosts.filter((host) => !host.connected && isAt(at, host.hostId)))
      context.terminal.err(`${name} is not connected: what it reported last is compared`);
    const found = check.differences.filter(({ at: where }) => isAt(at, where));
    for (const { at: where, text } of found) context.terminal.out(`${where}: ${text}`);
    if (found.length > 0 || silent.length > 0)
      throw new DomainError(
        "topology-differs",
        `${count(found.length, "difference")}, ${count(silent.length, "Admin Node Manager")} not compared: \`managedomain --topology_check\` says who is behind, and why`,
      );
    context.terminal.out("No differences.");
  });
}

function isAt(wanted: string | null, hostId: string): boolean {
  return wanted === null || wanted === hostId;
}

/** `managedomain --topology_synch`: gives it out again, and waits until everybody holds it. */
export function synchronizeTopology(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    await admin.call("synchronizeTopology");
    const endMs = performance.now() + synchronizeSecondsMax * 1000;
    let check = await admin.call("checkTopology");
    const behind = behindIn(check);
    if (behind.length > 0)
      context.terminal.out(`waiting up to ${synchronizeSecondsMax} s for: ${behind.join(", ")}`);
    while (behindIn(check).length > 0 && performance.now() < endMs) {
      await sleep(pollMs);
      check = await admin.call("checkTopology");
    }
    reportCheck(context, check);
  });
}

/** Prints who holds what. Throws `topology-differs` unless everybody holds the present topology. */
function reportCheck({ terminal }: CommandContext, check: TopologyCheck): void {
  terminal.out(checkTable(check));
  const held = `version ${check.version} and trust epoch ${check.trustEpoch}`;
  const behind = behindIn(check);
  if (behind.length > 0)
    throw new DomainError(
      "topology-differs",
      `not everybody holds ${held}: ${behind.join(", ")}; \`gatehouse findings\` says what is wrong there`,
    );
  terminal.out(`All hold ${held}.`);
}

/** Names of those who do not hold what the one that was asked holds, or do not say what they hold. */
function behindIn({ version, trustEpoch, admins, hosts }: TopologyCheck): string[] {
  const isPresent = (held: { version: number | null; trustEpoch: number | null }): boolean =>
    (held.version ?? 0) >= version && (held.trustEpoch ?? 0) >= trustEpoch;
  const behind = [
    ...admins.filter(({ said }) => said === null || said.asOfMs !== null || !isPresent(said)),
    ...hosts.filter((host) => !host.connected || !isPresent(host)),
  ];
  return [...new Set(behind.map(({ name }) => name))];
}

function checkTable({ admins, hosts }: TopologyCheck): string {
  const number = (value: number | null | undefined): string => String(value ?? "-");
  return table(
    ["HOST", "PROCESS", "VERSION", "TRUST", "STATE"],
    [
      ...admins.map(({ name, id, said, problem }) => [
        name,
        `${id} (Admin Node Manager)`,
        number(said?.version),
        number(said?.trustEpoch),
        said === null ? (problem ?? "says nothing") : adminState(said),
      ]),
      ...hosts.map(({ name, id, version, trustEpoch, connected }) => [
        name,
        id,
        number(version),
        number(trustEpoch),
        connected ? "connected" : "not connected",
      ]),
    ],
  );
}

function adminState({
  leads,
  asOfMs,
}: NonNullable<TopologyCheck["admins"][number]["said"]>): string {
  if (asOfMs !== null) return `cut off from the store, shows ${timeText(asOfMs)}`;
  return leads ? "leads" : "serves";
}
