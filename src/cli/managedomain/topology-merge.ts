import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "../../kit/index.ts";
import type { TopologyView } from "../../contract/index.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";

/** `groups/topology.json`, as far as it is compared. */
interface LocalTopology {
  readonly hosts: readonly { readonly id: string; readonly name: string }[];
  readonly groups: readonly {
    readonly services: readonly {
      readonly id: string;
      readonly name: string;
      readonly hostID: string;
    }[];
  }[];
}

/**
 * `managedomain --topology_merge`: the documentation names it and says nothing of it. There is one
 * topology, in the store, so that nothing has to be merged. What a local `topology.json` says else
 * is shown and not taken over. Throws `topology-differs`, `state-corrupt`.
 */
export function mergeTopology(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const path = join(context.options.home, "groups", "topology.json");
    const text = await readFile(path, "utf8").catch(() => null);
    if (text === null)
      return context.terminal.out(`Nothing to merge: there is no ${path} on this host.`);
    const local = partsOfFile(text, path);
    const present = partsOf(await admin.call("getTopology"));
    const differing = [
      ...[...local].filter((part) => !present.has(part)).map((part) => `only there: ${part}`),
      ...[...present].filter((part) => !local.has(part)).map((part) => `not there: ${part}`),
    ];
    if (differing.length === 0)
      return context.terminal.out(`Nothing to merge: ${path} says what the store says.`);
    for (const line of differing) context.terminal.out(line);
    throw new DomainError(
      "topology-differs",
      `${path} was edited, or is old, and is not taken over: make each change with its own command, then \`managedomain --topology_synch\``,
    );
  });
}

function partsOfFile(text: string, path: string): Set<string> {
  try {
    const { hosts, groups } = JSON.parse(text) as LocalTopology;
    return new Set([
      ...hosts.map(({ id, name }) => `${name} [${id}]`),
      ...groups.flatMap(({ services }) =>
        services.map(({ id, name, hostID }) => `${name} [${id}] on ${hostID}`),
      ),
    ]);
  } catch (cause) {
    throw new DomainError(
      "state-corrupt",
      `${path} is not a topology: \`managedomain --topology_synch\` has it written anew`,
      { cause },
    );
  }
}

function partsOf({ hosts, groups }: TopologyView): Set<string> {
  return new Set([
    ...hosts.map(({ id, name }) => `${name} [${id}]`),
    ...hosts.map(({ id, nodeManager }) => `${nodeManager.name} [${nodeManager.id}] on ${id}`),
    ...groups.flatMap(({ instances }) =>
      instances.map(({ id, name, hostId }) => `${name} [${id}] on ${hostId}`),
    ),
  ]);
}
