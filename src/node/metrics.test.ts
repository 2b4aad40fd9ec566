import { expect, test } from "vitest";
import { nodeFixture } from "../../test/support/node-fixture.ts";
import { knownProcess } from "../../test/support/test-domain.ts";
import { nodeMetrics } from "./metrics.ts";

test("metrics name the Admin Node Manager that is called while it answers", async () => {
  const { state } = await nodeFixture();
  const called = async (): Promise<string[]> =>
    (await nodeMetrics(state)).text
      .split("\n")
      .filter((line) => line.startsWith("gatehouse_admin_called"));
  expect(await called()).toEqual([]);
  state.isConnected = true;
  for (const id of ["nodemanager-8", "nodemanager-9"]) {
    state.admin = knownProcess(id, "anm", "host-9", []);
    expect(await called()).toEqual([`gatehouse_admin_called{admin="${id}"} 1`]);
  }
  state.isConnected = false;
  expect(await called()).toEqual([]);
});
