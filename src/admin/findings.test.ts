import { describe, expect, test } from "vitest";
import type { ProcessId } from "../kit/index.ts";
import { revoke } from "../control/index.ts";
import {
  joinTestHost,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import type { AdminState } from "./admin-state.ts";
import { currentFindings } from "./findings.ts";
import { Presence } from "./presence.ts";

async function domain(): Promise<{ env: TestEnvironment; state: AdminState }> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  await settleAgents(env);
  return { env, state: { env, presence: new Presence() } as unknown as AdminState };
}

/** What is found of one subject, as `code: text`. */
async function found(state: AdminState, subject: string): Promise<string[]> {
  return (await currentFindings(state))
    .filter((finding) => finding.subject === subject)
    .map(({ code, text }) => `${code}: ${text}`);
}

describe("currentFindings", () => {
  test("names the remedy of a revoked host, and does not wait for it to connect", async () => {
    const { env, state } = await domain();
    expect(await found(state, "host-2")).toEqual([expect.stringMatching(/^host-silent: /)]);
    const process = "nodemanager-2" as ProcessId;
    await revoke(env, { process, reason: "stolen", actor: testActor });
    expect(await found(state, "host-2")).toEqual([
      expect.stringMatching(/^host-revoked: .* delete its instances and the host .* join anew/),
    ]);
  });
});
