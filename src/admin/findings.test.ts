import { copyFile, rm, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AuthorityId, HostId, ProcessId } from "../kit/index.ts";
import { homeLayout } from "../domain/index.ts";
import { AgreedClock, createInstance, revoke, setInstanceEnabled } from "../control/index.ts";
import {
  issueFor,
  joinTestHost,
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { settleAgents } from "../../test/support/instant-agents.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import type { AdminState } from "./admin-state.ts";
import { FileAuthorityKeys } from "./authority-keys.ts";
import { currentFindings } from "./findings.ts";
import { AdminReports } from "./admin-reports.ts";
import { ownReport } from "./own-report.ts";
import { Presence } from "./presence.ts";
import { StrayTrust } from "./stray-trust.ts";

async function domain(): Promise<{ env: TestEnvironment; state: AdminState }> {
  const env = await testEnvironment();
  await testControlDomain(env);
  await joinTestHost(env);
  await settleAgents(env);
  const state = {
    env,
    presence: new Presence(),
    strays: new StrayTrust(),
    reports: new AdminReports(),
    auditFindings: [],
    cutOff: null,
  };
  return { env, state: state as unknown as AdminState };
}

/** Longer than a host may be quiet. */
const silentMs = 15_001;

/** What is found of one subject, as `code: text`. */
async function found(state: AdminState, subject: string): Promise<string[]> {
  return (await currentFindings(state))
    .filter((finding) => finding.subject === subject)
    .map(({ code, text }) => `${code}: ${text}`);
}

describe("currentFindings", () => {
  test("names the remedy of a revoked host, and does not wait for it to connect", async () => {
    const { env, state } = await domain();
    expect(await found(state, "host-2")).toEqual([]);
    env.clock.advance(silentMs);
    expect(await found(state, "host-2")).toEqual([expect.stringMatching(/^host-silent: /)]);
    const process = "nodemanager-2" as ProcessId;
    await revoke(env, { process, reason: "stolen", actor: testActor });
    expect(await found(state, "host-2")).toEqual([
      expect.stringMatching(/^host-revoked: .* delete its instances and the host .* join anew/),
    ]);
  });

  test("calls a host silent that is not connected here only if nobody has heard of it lately", async () => {
    const { env, state } = await domain();
    const told = (): Promise<string[]> => found(state, "host-2");
    env.clock.advance(silentMs - 1);
    expect(await told()).toEqual([]);
    env.clock.advance(1);
    expect(await told()).toHaveLength(1);
    state.presence.claim("host-2" as HostId, "boot", new Socket());
    expect(await told()).toEqual([]);
  });

  test("names a host that holds trust which this store has never published", async () => {
    const { env, state } = await domain();
    const hostId = "host-2" as HostId;
    const say = async (epoch: number, trustHash: string): Promise<string[]> => {
      await env.store.read((view) => state.strays.note(view, hostId, { epoch, trustHash }));
      const all = await found(state, hostId);
      return all.filter((text) => text.startsWith("store-behind"));
    };
    const [head] = await env.store.read((view) => view.trust.after(0, 1));
    expect(head?.epoch).toBe(1);
    const last = (await env.store.read((view) => view.trust.head()))?.epoch ?? 0;
    expect(await say(1, head?.hash ?? "")).toEqual([]);
    expect(await say(last + 1, "ab".repeat(32))).toEqual([
      expect.stringMatching(
        `holds trust epoch ${last + 1}, which this store, at epoch ${last}, has`,
      ),
    ]);
    // The store has reached that epoch meanwhile, by another link.
    expect(await say(1, "ab".repeat(32))).toHaveLength(1);
    expect(await say(1, head?.hash ?? "")).toEqual([]);
    await say(1, "ab".repeat(32));
    state.strays.forget(hostId);
    env.clock.advance(silentMs);
    expect(await found(state, hostId)).toEqual([expect.stringMatching(/^host-silent: /)]);
  });

  test.each([
    ["failed", null, /should run and does not \(failed\): its Node Manager has not said why$/],
    ["failed", "port 8080 is taken", /\(failed\): port 8080 is taken$/],
    ["stopped", "its certificate has expired", /\(stopped\): its certificate has expired$/],
    ["stopped", null, /\(stopped\): its Node Manager has not said why$/],
    ["starting", "it does not answer", /\(starting\): it does not answer$/],
    ["starting", null, null],
    ["running", null, null],
  ] as const)("of an enabled instance that is %s with error %j: %j", async (...of) => {
    const [processState, lastError, wanted] = of;
    const { env, state } = await domain();
    const id = "instance-1" as ProcessId;
    const hostId = "host-1" as HostId;
    await createInstance(env, { name: "one", group: "edge", hostId, actor: testActor });
    await setInstanceEnabled(env, { id, enabled: true, actor: testActor });
    await settleAgents(env);
    await env.store.note(async (tx) => {
      const seen = await tx.observations.host(hostId);
      if (seen === undefined) throw new Error("host-1 has reported");
      const processes = seen.processes.map((process) =>
        process.id === id ? { ...process, state: processState, lastError } : process,
      );
      await tx.observations.putHost({ ...seen, processes });
    });
    env.clock.advance(silentMs);
    expect(await found(state, id)).toEqual([]);
    state.presence.claim(hostId, "boot", new Socket());
    expect(await found(state, id)).toEqual(wanted === null ? [] : [expect.stringMatching(wanted)]);
    await setInstanceEnabled(env, { id, enabled: false, actor: testActor });
    expect(await found(state, id)).toEqual([]);
  });
});

describe("ownReport", () => {
  test("names an authority whose key is missing, no key, or another's", async () => {
    const env = await testEnvironment();
    const layout = homeLayout(await tempFolder());
    const hostId = "host-1" as HostId;
    const management = "management-1" as AuthorityId;
    const traffic = "traffic-1" as AuthorityId;
    const clock = new AgreedClock(env.clock, 0);
    const authorityKeys = new FileAuthorityKeys(layout, clock);
    onTestFinished(() => authorityKeys.close());
    await testControlDomain({ ...env, authorityKeys });
    const look = async (): Promise<string[]> =>
      (
        await ownReport({
          env: { ...env, clock, authorityKeys } as never,
          hostId,
          authorityFolder: { findings: () => [] } as never,
        })
      ).findings
        .filter(({ code }) => code === "authority-key-missing")
        .map(({ subject, text }) => `${subject}: ${text}`);
    expect(await look()).toEqual([]);
    const other = layout.authorityKey(management);
    const path = layout.authorityKey(traffic);
    await copyFile(other, path);
    expect(await look()).toEqual([
      expect.stringMatching(/^traffic-1: .* is not that of its certificate; /),
    ]);
    await writeFile(path, "no key");
    expect(await look()).toEqual([
      expect.stringMatching(/^traffic-1: .* cannot be read as a private key; /),
    ]);
    await rm(path);
    expect(await look()).toEqual([expect.stringMatching(/^traffic-1: .* is missing; /)]);
    const signing = { ...env, authorityKeys: new FileAuthorityKeys(layout, clock) };
    onTestFinished(() => signing.authorityKeys.close());
    await copyFile(other, path);
    await createInstance(env, { name: "one", group: "edge", hostId, actor: testActor });
    await expect(issueFor(signing, hostId, "instance-1/traffic")).rejects.toMatchObject({
      code: "authority-unavailable",
    });
  });
});
