import { describe, expect, test } from "vitest";
import type { ProcessId } from "../kit/index.ts";
import { testHost, testInstance, testParty, testTopology } from "../../test/support/topologies.ts";
import { edgeKey, edgesOf } from "./edges.ts";
import type { Topology } from "./topology.ts";

function edges(parts: Partial<Topology>): string[] {
  return edgesOf(testTopology(parts))
    .map(({ verifier, presenter, usage }) => `${verifier} <- ${presenter} ${usage}`)
    .toSorted();
}

describe("edgesOf", () => {
  test("joins every Node Manager with the Admin Node Manager, in both directions", () => {
    expect(edges({ hosts: [testHost(1), testHost(2)] })).toEqual([
      "nodemanager-1 <- nodemanager-1.admin management",
      "nodemanager-1.admin <- nodemanager-1 management",
      "nodemanager-1.admin <- nodemanager-2 management",
      "nodemanager-2 <- nodemanager-1.admin management",
    ]);
  });

  test("joins an instance with the Node Manager of its own host only", () => {
    const found = edges({ hosts: [testHost(1), testHost(2)], instances: [testInstance(1, 2)] });
    expect(found.filter((edge) => edge.includes("instance-1"))).toEqual([
      "instance-1 <- nodemanager-2 management",
      "nodemanager-2 <- instance-1 management",
    ]);
  });

  test("joins each managed relying party with every traffic listener, in one direction", () => {
    const found = edges({
      instances: [testInstance(1, 1), testInstance(2, 1)],
      relyingParties: [testParty(1), testParty(2)],
    });
    expect(found.filter((edge) => edge.includes("traffic"))).toEqual([
      "relying-party-1 <- instance-1 traffic",
      "relying-party-1 <- instance-2 traffic",
      "relying-party-2 <- instance-1 traffic",
      "relying-party-2 <- instance-2 traffic",
    ]);
  });

  test("joins with each of several Admin Node Managers", () => {
    const found = edges({ hosts: [testHost(1), testHost(2, { isAdmin: true }), testHost(3)] });
    expect(found.filter((edge) => edge.includes("nodemanager-3"))).toEqual([
      "nodemanager-1.admin <- nodemanager-3 management",
      "nodemanager-2.admin <- nodemanager-3 management",
      "nodemanager-3 <- nodemanager-1.admin management",
      "nodemanager-3 <- nodemanager-2.admin management",
    ]);
  });

  test("has none with a quarantined host or an instance on one", () => {
    const hosts = [testHost(1), testHost(2, { status: "quarantined" })];
    const found = edges({ hosts, instances: [testInstance(1, 2)], relyingParties: [testParty(1)] });
    expect(found.join()).not.toMatch(/nodemanager-2|instance-1/);
  });
});

test("edgeKey tells verifier, presenter, usage and authority apart", () => {
  const edge = {
    verifier: "a" as ProcessId,
    presenter: "b" as ProcessId,
    usage: "management",
  } as const;
  const keys = [
    edgeKey(edge, "m1"),
    edgeKey(edge, "m2"),
    edgeKey({ ...edge, usage: "traffic" }, "m1"),
    edgeKey({ ...edge, verifier: edge.presenter, presenter: edge.verifier as ProcessId }, "m1"),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});
