import { expect, test } from "vitest";
import {
  clusterStatus,
  nowMs,
  primary,
  seen,
  service,
  standby,
} from "../../test/support/seen-members.ts";
import { documentedStatus } from "./documented-status.ts";

test("the documented status is the server's own where it has one", () => {
  const [a] = documentedStatus(service("pair"), [seen("a", primary), seen("b", standby)], nowMs);
  expect(a).toEqual({ name: "a", HighAvailability: primary.highAvailability });
});

test("the documented status of a pair without such documents is what they would be", () => {
  const { highAvailability: _a, ...active } = primary;
  const { highAvailability: _b, ...waiting } = standby;
  const members = [seen("a", active), seen("b", waiting)];
  const good = { Status: "Active", Enabled: true, Group: "messages", ActiveNodes: 2 };
  expect(documentedStatus(service("pair"), members, nowMs)).toMatchObject([
    {
      HighAvailability: {
        ...good,
        NewRole: "PRIMARY",
        SyncNodes: 2,
        PrimaryLastTime: "2026-11-23T08:00:00Z",
        PctSyncCompletion: -1,
        ReasonCode: 0,
        RemoteServerName: "b",
      },
    },
    { HighAvailability: { ...good, NewRole: "STANDBY", PrimaryLastTime: "" } },
  ]);
  const lone = { ...active, connected: 0, synchronised: false };
  const late = { ageMs: 61_000 };
  const half = documentedStatus(
    service("pair"),
    [seen("a", lone), seen("b", waiting, late)],
    nowMs,
  );
  expect(half).toMatchObject([
    { HighAvailability: { NewRole: "PRIMARY", ActiveNodes: 1, SyncNodes: 1 } },
    { HighAvailability: { Status: "Inactive", NewRole: "UNKNOWN", ActiveNodes: 0 } },
  ]);
});

test("the documented status of a cluster counts the others only, and pairs as one", () => {
  const { cluster: _, ...connected } = clusterStatus(2, 0);
  const three = ["a", "b", "c"].map((name) => seen(name, connected));
  expect(documentedStatus(service("cluster"), three, nowMs)[0]).toEqual({
    name: "a",
    Cluster: {
      Status: "Active",
      Name: "messages",
      Enabled: true,
      ConnectedServers: 2,
      DisconnectedServers: 0,
    },
  });
  const pairs = ["a", "b", "c", "d"].map((name, i) =>
    seen(name, i === 3 ? null : { ...connected, connected: 1 }, { pair: i < 2 ? "one" : "two" }),
  );
  const documented = documentedStatus(service("cluster"), pairs, nowMs);
  expect(documented[0]).toMatchObject({
    HighAvailability: { Group: "one" },
    Cluster: { ConnectedServers: 1, DisconnectedServers: 0 },
  });
  expect(documented[3]).toMatchObject({
    Cluster: { Status: "Unavailable", ConnectedServers: 0, DisconnectedServers: 1 },
  });
});
