import { expect, test } from "vitest";
import { sampleAnswers } from "../../test/support/sample-domain.ts";
import type { TopologyView } from "../contract/index.ts";
import type { HostId, ProcessId } from "../kit/index.ts";
import { hostDifferences, topologyDifferences } from "./topology-differences.ts";

const sample = (): TopologyView =>
  structuredClone(sampleAnswers.getTopology as unknown as TopologyView);
const processes = (...ids: string[]) => ({
  processes: ids.map((id) => ({
    id: id as ProcessId,
    state: "running" as const,
    pid: 1,
    loadedEpoch: 1,
    filesEpoch: 1,
    oldestConnectionEpoch: null,
    lastError: null,
  })),
});

test("two views of one topology do not differ by states and connections", () => {
  const other = sample();
  for (const host of other.hosts) host.connected = !host.connected;
  for (const { instances } of other.groups)
    for (const instance of instances) instance.state = "failed";
  expect(topologyDifferences(sample(), other)).toEqual([]);
});

test("what was removed, added and changed in another view is named", () => {
  const other = sample();
  const [first, second] = other.groups;
  first?.instances.splice(1, 1);
  if (second?.instances[0] !== undefined) second.instances[0].managementPort = 9999;
  other.relyingParties.push({ id: "relying-party-9" as never, name: "mesh", loadedEpoch: null });
  expect(topologyDifferences(sample(), other)).toEqual([
    "instance instance-2 is missing",
    expect.stringMatching(/^instance instance-3 is .*"managementPort":9999.*, and here .*:8087/),
    "relying party relying-party-9 is there and nowhere else",
  ]);
});

test("a host that does not know its instance, or has another, differs; one that never reported does not", () => {
  const host = "host-1" as HostId;
  const own = ["nodemanager-1", "nodemanager-1-admin"];
  const of = (...ids: string[]): string[] =>
    hostDifferences(sample(), host, processes(...own, ...ids));
  expect(of("instance-1", "instance-3")).toEqual([]);
  expect(of("instance-1", "instance-9")).toEqual([
    "instance instance-3 is not known there",
    "instance-9 is there and not in the topology",
  ]);
  expect(hostDifferences(sample(), host, undefined)).toEqual([]);
});
