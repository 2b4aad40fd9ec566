import { describe, expect, test } from "vitest";
import type { HostId, ProcessId } from "../kit/index.ts";
import { appliedStep, settledSnapshot, testStep } from "../../test/support/snapshots.ts";
import { callCounts, canaryFindings } from "./canary.ts";
import { arrangeEvidence, type Evidence } from "./snapshot.ts";

const [canary, other] = ["member-1" as ProcessId, "member-2" as ProcessId];

function counted(counts: Readonly<Record<string, readonly [number, number] | null>>): Evidence {
  const members = Object.entries(counts).map(([id, count]) => ({
    id: id as ProcessId,
    installed: null,
    accepts: [],
    status:
      count === null
        ? null
        : {
            role: null,
            members: null,
            connected: null,
            synchronised: null,
            operations: count[0],
            failures: count[1],
          },
    changedFiles: [],
    findings: [],
    problem: null,
  }));
  const snapshot = settledSnapshot();
  const hosts = snapshot.hosts.map((host) =>
    host.hostId === ("host-1" as HostId) ? { ...host, members } : host,
  );
  return arrangeEvidence({ ...snapshot, hosts });
}

describe("canaryFindings", () => {
  const before = counted({ [canary]: [1000, 10], [other]: [1000, 10] });
  const applied = appliedStep(testStep(), { counts: callCounts(before) });
  const of = { members: [canary], others: [other] };

  test.each<[string, readonly [number, number] | null, readonly [number, number] | null, boolean]>([
    ["as many of its calls fail as of the others'", [1100, 11], [1100, 11], false],
    ["a little more than of the others'", [1100, 12], [1100, 11], false],
    ["more of its calls fail", [1100, 20], [1100, 11], true],
    ["more fail everywhere", [1100, 30], [1100, 30], false],
    ["there were hardly any calls", [1010, 20], [1100, 11], false],
    ["it was started anew, and many fail", [50, 25], [1100, 11], true],
    ["it says nothing of its calls", null, [1100, 11], false],
    ["only the others say nothing", [1100, 50], null, true],
  ])("where %s", (_, changed, usual, isWorse) => {
    const now = counted({ [canary]: changed, [other]: usual });
    expect(canaryFindings(now, applied, of).map(({ code }) => code)).toEqual(
      isWorse ? ["canary-worse"] : [],
    );
  });

  test("names the members and both shares", () => {
    const now = counted({ [canary]: [1100, 60], [other]: [1100, 11] });
    expect(canaryFindings(now, applied, of)).toMatchObject([
      { text: expect.stringContaining("50.0 % of the calls to member-1 failed") as string },
    ]);
  });
});
