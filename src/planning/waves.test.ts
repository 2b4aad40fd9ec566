import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { GroupId, ProcessId } from "../kit/index.ts";
import { credentialId, type Credential, type Instance, type Topology } from "../domain/index.ts";
import { testHost, testInstance, testTopology } from "../../test/support/topologies.ts";
import { testCredential } from "../../test/support/snapshots.ts";
import { wavesOf } from "./waves.ts";

function credentialsOf(topology: Topology): Credential[] {
  return [
    ...topology.hosts.map(({ id, nodeManager }) =>
      testCredential(nodeManager.id, "management", { hostId: id }),
    ),
    ...topology.instances.flatMap(({ id, hostId }) =>
      (["management", "traffic"] as const).map((usage) => testCredential(id, usage, { hostId })),
    ),
  ];
}

function domainOf(sizes: { hosts: number; admins: number; groups: readonly number[] }): Topology {
  const hosts = Array.from({ length: sizes.hosts }, (_, i) =>
    testHost(i + 1, { isAdmin: i < sizes.admins }),
  );
  const instances: Instance[] = [];
  for (const [g, size] of sizes.groups.entries())
    for (let i = 0; i < size; i++) {
      const groupId = `group-${g + 2}` as GroupId;
      instances.push(testInstance(instances.length + 1, (i % sizes.hosts) + 1, { groupId }));
    }
  const [group] = testTopology().groups;
  const groups = sizes.groups.flatMap((_, g) =>
    group === undefined ? [] : [{ ...group, id: `group-${g + 2}` as GroupId }],
  );
  return testTopology({ hosts, groups, instances });
}

const domains = fc
  .record({
    hosts: fc.integer({ min: 1, max: 40 }),
    admins: fc.integer({ min: 1, max: 3 }),
    groups: fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 3 }),
  })
  .map(domainOf);

const processesIn = (wave: readonly string[]): Set<string> =>
  new Set(wave.map((id) => id.split("/")[0] ?? ""));

describe("wavesOf", () => {
  test("begins with one canary and ends with the Admin Node Managers, one by one", () => {
    const topology = domainOf({ hosts: 4, admins: 2, groups: [3] });
    const waves = wavesOf(topology, credentialsOf(topology));
    expect(waves).toEqual([
      ["instance-1/management", "instance-1/traffic"],
      ["instance-2/management", "instance-2/traffic", "nodemanager-3/management"],
      ["instance-3/management", "instance-3/traffic", "nodemanager-4/management"],
      ["nodemanager-1/management"],
      ["nodemanager-2/management"],
    ]);
  });

  test("takes a Node Manager as the canary when no instance is concerned", () => {
    const topology = domainOf({ hosts: 3, admins: 1, groups: [2] });
    const chosen = credentialsOf(topology).filter(({ process }) => process.startsWith("node"));
    expect(wavesOf(topology, chosen)).toEqual([
      ["nodemanager-2/management"],
      ["nodemanager-3/management"],
      ["nodemanager-1/management"],
    ]);
  });

  test("has no wave for nothing, and one for the only Admin Node Manager", () => {
    const topology = domainOf({ hosts: 1, admins: 1, groups: [] });
    expect(wavesOf(topology, [])).toEqual([]);
    expect(wavesOf(topology, credentialsOf(topology))).toEqual([["nodemanager-1/management"]]);
  });

  test("puts neighbours on different hosts, so that no wave takes all of one host's members", () => {
    const hosts = [testHost(1), testHost(2)];
    const instances = [1, 2, 3, 4].map((n) => testInstance(n, n <= 2 ? 1 : 2));
    const topology = testTopology({ hosts, instances });
    const order = wavesOf(topology, credentialsOf(topology))
      .flatMap((wave) => [...processesIn(wave)])
      .filter((id) => id.startsWith("instance"));
    expect(order).toEqual(["instance-1", "instance-3", "instance-2", "instance-4"]);
  });

  test("holds every credential exactly once, whatever the topology and the choice", () => {
    fc.assert(
      fc.property(domains, fc.infiniteStream(fc.boolean()), (topology, choices) => {
        const chosen = credentialsOf(topology).filter(() => choices.next().value === true);
        const waves = wavesOf(topology, chosen).flat();
        expect(waves.toSorted()).toEqual(chosen.map(({ id }) => id).toSorted());
      }),
    );
  });

  test("begins with one process, keeps the share, leaves admins to the end, whatever the topology", () => {
    fc.assert(
      fc.property(domains, (topology) => {
        const waves = wavesOf(topology, credentialsOf(topology));
        const admins = topology.hosts.filter((host) => host.nodeManager.isAdmin);
        const ids = new Set<string>(admins.map((host) => host.nodeManager.id));
        const isAdminWave = (wave: readonly string[]): boolean =>
          [...processesIn(wave)].some((id) => ids.has(id));
        expect(processesIn(waves[0] ?? []).size).toBe(1);
        expect(waves.slice(-admins.length).every((wave) => processesIn(wave).size === 1)).toBe(
          true,
        );
        expect(waves.map(isAdminWave).indexOf(true)).toBe(waves.length - admins.length);
        for (const wave of waves.slice(0, -admins.length)) expectShare(topology, wave);
      }),
    );
  });

  test("keeps all credentials of one process in one wave", () => {
    fc.assert(
      fc.property(domains, (topology) => {
        const waves = wavesOf(topology, credentialsOf(topology));
        for (const { id } of topology.instances) {
          const within = waves.filter((wave) => processesIn(wave).has(id));
          expect(within).toHaveLength(1);
          expect(within[0]).toContain(credentialId(id, "traffic"));
        }
      }),
    );
  });
});

/** At most a tenth of each group, and of the Node Managers, or one. */
function expectShare(topology: Topology, wave: readonly string[]): void {
  const within = processesIn(wave);
  const ranks: ProcessId[][] = [
    ...topology.groups.map((group) =>
      topology.instances.filter(({ groupId }) => groupId === group.id).map(({ id }) => id),
    ),
    topology.hosts.filter((h) => !h.nodeManager.isAdmin).map((h) => h.nodeManager.id),
  ];
  for (const rank of ranks) {
    const touched = rank.filter((id) => within.has(id)).length;
    expect(touched).toBeLessThanOrEqual(Math.max(1, Math.floor(rank.length / 10)));
  }
}
