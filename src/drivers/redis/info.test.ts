import { expect, test } from "vitest";
import { statusOf } from "./info.ts";

const stats = { total_commands_processed: "7", total_error_replies: "2" };
const counts = { operations: 7, failures: 2 };

test.each([
  [
    "an active one with a replica that is up to date",
    {
      role: "master",
      connected_slaves: "1",
      slave0: "ip=10.0.0.2,port=6379,state=online,offset=5,lag=1",
    },
    { role: "active", members: 2, connected: 1, synchronised: true },
  ],
  [
    "an active one whose replica is silent, or has not read all yet",
    {
      role: "master",
      connected_slaves: "2",
      slave0: "ip=10.0.0.2,port=6379,state=online,offset=5,lag=9",
      slave1: "ip=10.0.0.3,port=6379,state=send_bulk,offset=0,lag=0",
    },
    { role: "active", members: 3, connected: 0, synchronised: false },
  ],
  [
    "a standby that follows",
    { role: "slave", master_link_status: "up" },
    { role: "standby", members: 2, connected: 1, synchronised: true },
  ],
  [
    "a standby that has lost the active one",
    { role: "slave", master_link_status: "down" },
    { role: "standby", members: 2, connected: 0, synchronised: false },
  ],
])("%s says so of itself", (_, replication, status) => {
  expect(statusOf(replication as never, stats, true)).toEqual({ ...status, ...counts });
});

test("a server alone has nobody to be synchronised with", () => {
  const alone = { role: "master", connected_slaves: "0" };
  expect(statusOf(alone, stats, false)).toMatchObject({ members: 1, synchronised: null });
});
