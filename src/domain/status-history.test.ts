import fc from "fast-check";
import { expect, test } from "vitest";
import type { HighAvailabilityStatus, MemberStatus } from "./member-status.ts";
import { remember, statusChanges, type RememberedChange } from "./status-history.ts";

function status(NewRole: string, changes: Partial<HighAvailabilityStatus> = {}): MemberStatus {
  const highAvailability = { NewRole, ReasonCode: 0, ...changes } as HighAvailabilityStatus;
  return { role: "unknown", members: 1, connected: 0, synchronised: false, highAvailability };
}

test("a reason that the server forgets is remembered, and so are role, maintenance and error", () => {
  const reason = { ReasonCode: 3, ReasonString: " - SPLIT_BRAIN" };
  const [before, during] = [status("PRIMARY"), status("UNSYNC_ERROR", reason)];
  const after = { ...status("HADISABLED"), maintenance: true, errorCode: 509 };
  expect(statusChanges(before, during)).toEqual([
    { what: "role", from: "PRIMARY", to: "UNSYNC_ERROR" },
    { what: "reason", from: "", to: "3  - SPLIT_BRAIN" },
  ]);
  expect(statusChanges(during, after)).toEqual([
    { what: "role", from: "UNSYNC_ERROR", to: "HADISABLED" },
    { what: "reason", from: "3  - SPLIT_BRAIN", to: "" },
    { what: "maintenance", from: "", to: "on" },
    { what: "error", from: "", to: "509" },
  ]);
});

test("what only ticks is no change, and a server that goes away and comes back is", () => {
  const [first, later] = ["2026-11-23T08:00:00Z", "2026-11-23T08:00:01Z"].map((time) =>
    status("PRIMARY", { PrimaryLastTime: time }),
  );
  expect(statusChanges(first ?? null, later ?? null)).toEqual([]);
  expect(statusChanges(first ?? null, null)).toEqual([{ what: "answers", from: "yes", to: "" }]);
  expect(statusChanges(null, later ?? null)).toMatchObject([
    { what: "answers", from: "", to: "yes" },
    { what: "role", to: "PRIMARY" },
    { what: "synchronised", to: "false" },
  ]);
});

test("the counts of a cluster are remembered", () => {
  const cluster = (ConnectedServers: number, DisconnectedServers: number): MemberStatus => ({
    ...status("PRIMARY"),
    cluster: { Status: "Active", Name: "c", Enabled: true, ConnectedServers, DisconnectedServers },
  });
  expect(statusChanges(cluster(2, 0), cluster(1, 1))).toEqual([
    { what: "cluster", from: "Active 2/0", to: "Active 1/1" },
  ]);
});

test("a history keeps the newest hundred entries, each cut to what fits", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 500 }), { maxLength: 150 }), (roles) => {
      let history: RememberedChange[] = [];
      let before: MemberStatus | null = null;
      for (const [i, role] of roles.entries()) {
        const after = status(role, { ReasonCode: i, ReasonString: role });
        history = remember(history, statusChanges(before, after), i);
        before = after;
      }
      expect(history.length).toBeLessThanOrEqual(100);
      for (const { from, to } of history)
        expect(Math.max(from.length, to.length)).toBeLessThanOrEqual(200);
      if (roles.length > 0) expect(history.at(-1)?.atMs).toBe(roles.length - 1);
    }),
  );
});
