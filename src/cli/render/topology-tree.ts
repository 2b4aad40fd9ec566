import type { TopologyView } from "../../contract/index.ts";

interface Branch {
  readonly text: string;
  readonly below?: readonly Branch[];
}

/** The topology as the documented tree: names, ids in brackets, management URLs in parentheses. */
export function topologyTree(topology: TopologyView): string {
  const nodeManagers = (isAdmin: boolean): Branch[] =>
    topology.hosts
      .filter((host) => host.nodeManager.isAdmin === isAdmin)
      .map(({ address, nodeManager: { id, name, port } }) => ({
        text: `${name} [${id}] (${managementUrl(address, port)})`,
      }));
  const addressOf = new Map(topology.hosts.map((host) => [host.id, host.address]));
  const groups = topology.groups.map(({ id, name, instances }) => ({
    text: `${name} [${id}]`,
    below: instances.map((instance) => ({
      text: `${instance.name} [${instance.id}] (${managementUrl(addressOf.get(instance.hostId) ?? "", instance.managementPort)})${tagText(instance.tags)}`,
    })),
  }));
  const plain = nodeManagers(false);
  return [
    `Version: ${topology.version}`,
    "",
    ...section(
      "Hosts:",
      topology.hosts.map(({ id, name }) => ({ text: `${name} [${id}]` })),
    ),
    ...section("Admin Node Manager:", nodeManagers(true)),
    ...(plain.length > 0 ? section("Node Manager:", plain) : []),
    ...section("Groups:", groups),
  ].join("\n");
}

function section(title: string, branches: readonly Branch[]): string[] {
  return [title, ...branches.flatMap((branch) => branchLines(branch, ""))];
}

function branchLines({ text, below = [] }: Branch, indent: string): string[] {
  return [
    `${indent}|`,
    `${indent} ---${text}`,
    ...below.flatMap((branch) => branchLines(branch, `${indent}   `)),
  ];
}

export function managementUrl(address: string, port: number): string {
  return `https://${address.includes(":") ? `[${address}]` : address}:${port}`;
}

function tagText(tags: Readonly<Record<string, string>>): string {
  const all = Object.entries(tags).map(([name, value]) => `${name}=${value}`);
  return all.length === 0 ? "" : ` {${all.join(", ")}}`;
}
