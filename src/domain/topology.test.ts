import { describe, expect, test } from "vitest";
import { testHost, testInstance, testTopology } from "../../test/support/topologies.ts";
import { processesOf } from "./topology.ts";

describe("processesOf", () => {
  test("lists Node Managers, the Admin Node Manager's own process, and instances, with their roles", () => {
    const topology = testTopology({
      hosts: [testHost(1), testHost(2)],
      instances: [testInstance(1, 2), testInstance(2, 2, { enabled: false })],
    });
    expect(processesOf(topology).map(({ id, role, hostId }) => [id, role, hostId])).toEqual([
      ["nodemanager-1", "anm", "host-1"],
      ["nodemanager-1.admin", "anm", "host-1"],
      ["nodemanager-2", "nm", "host-2"],
      ["instance-1", "gateway", "host-2"],
      ["instance-2", "gateway", "host-2"],
    ]);
  });

  test("leaves quarantined hosts out, with all that is on them", () => {
    const topology = testTopology({
      hosts: [testHost(1), testHost(2, { status: "quarantined" })],
      instances: [testInstance(1, 2)],
    });
    expect(processesOf(topology).map(({ id }) => id)).toEqual([
      "nodemanager-1",
      "nodemanager-1.admin",
    ]);
  });
});
