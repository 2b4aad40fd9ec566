import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { initializeHome } from "../../admin/offline.ts";
import { homeLayout, type NodeSettings } from "../../domain/index.ts";
import { sampleAnswers, sampleRollout } from "../../../test/support/sample-domain.ts";
import { ScriptedAdmin, type Answers } from "../../../test/support/scripted-admin.ts";
import { ScriptedTerminal } from "../../../test/support/scripted-terminal.ts";
import { tempFolder } from "../../../test/support/temp-folder.ts";
import { runProgram } from "../run-program.ts";
import { managedomain } from "./program.ts";

/** `--regen_certs` on a host of the sample domain; what it writes, its status, and what it called. */
async function regenerate(of: {
  readonly isAdmin: boolean;
  readonly answers: Answers;
  readonly options?: readonly string[];
  /** No Admin Node Manager answers; the command is run so often. */
  readonly timesAlone?: number;
}): Promise<{ text: string; called: readonly string[] }> {
  const home = join(await tempFolder(), "home");
  await initializeHome(home, {
    domainName: "CN=Domain",
    hostName: "one.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager on one.test",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
  });
  const file = homeLayout(home).nodeSettings;
  const settings = JSON.parse(await readFile(file, "utf8")) as NodeSettings;
  await writeFile(file, JSON.stringify({ ...settings, isAdmin: of.isAdmin }));
  const admin = new ScriptedAdmin({ ...sampleAnswers, ...of.answers });
  admin.answers = of.timesAlone === undefined;
  const terminal = new ScriptedTerminal();
  const args = ["--regen_certs", "--home", home, ...(of.options ?? [])];
  for (let i = 0; i < (of.timesAlone ?? 1); i++)
    terminal.lines.push(
      `= ${await runProgram("managedomain", managedomain(admin.open), args, terminal)}`,
    );
  return {
    text: terminal.lines.join("\n"),
    called: admin.calls.map(({ name }) => name),
  };
}

const underway = (done: number): Answers => ({
  listRollouts: { rollouts: [sampleRollout(2)] },
  getRollout: sampleRollout(done),
});

test("--regen_certs on a further host waits for its share of the rotation that is under way, and makes no plan", async () => {
  const { text, called } = await regenerate({ isAdmin: false, answers: underway(4) });
  expect(text).toContain(
    "Rotate the management CA is under way (rollout-1): this host's share of it is waited for.",
  );
  expect(text).toMatch(/this host has 1 certificate of it.*\(rollout-1\)\.\n= 0$/);
  expect(called).not.toContain("createPlan");
});

test("--regen_certs on the host with the CA waits for the end of the rotation that is under way", async () => {
  const looks = [sampleRollout(4), sampleRollout(5, { status: "completed" })];
  const { text, called } = await regenerate({
    isAdmin: true,
    answers: { ...underway(4), getRollout: () => looks.shift() },
  });
  expect(looks).toEqual([]);
  expect(text).toMatch(/its end is waited for\.[^]*= 0$/);
  expect(called).not.toContain("createPlan");
});

const noAnswers: Answers = {};

test.each([
  [
    "keeps the CA on its host",
    { isAdmin: true, options: ["--retain_domain_cert"], answers: noAnswers },
  ],
  ["finds no rotation", { isAdmin: false, answers: { listRollouts: { rollouts: [] } } }],
])("--regen_certs makes a plan of its own where it %s", async (_where, of) => {
  const completed = sampleRollout(5, { status: "completed" });
  const { called } = await regenerate({
    ...of,
    answers: { ...underway(2), ...of.answers, getRollout: completed },
  });
  expect(called).toContain("startRollout");
});

test.each([
  [
    "another way of signing than the rotation leads to",
    ["--sign_with_external_ca"],
    sampleRollout(2),
    33,
  ],
  ["a rotation that goes back", [], sampleRollout(2, { status: "rolling-back" }), 40],
])("--regen_certs refuses %s", async (_what, options, rollout, status) => {
  const { text } = await regenerate({
    isAdmin: false,
    options,
    answers: { ...underway(2), listRollouts: { rollouts: [rollout] } },
  });
  expect(text).toContain(`rollout-1 (Rotate the management CA)`);
  expect(text).toMatch(new RegExp(`= ${status}$`));
});

test("--regen_certs records one plan, and no second CA, where nothing runs on the host of the CA", async () => {
  const alone = { isAdmin: true, answers: noAnswers, timesAlone: 2 };
  const { text, called } = await regenerate({ ...alone, options: ["--waive_unmanaged", "a test"] });
  expect(text).toMatch(
    /^Rotate the management CA is recorded \(rollout-\w+\) and begins when.*\n= 0\n! managedomain: a rollout is recorded or under way already.*\n= 40$/,
  );
  expect(called).toEqual([]);
});

test.each([["--retain_domain_cert"], ["--process=nodemanager-1"]])(
  "--regen_certs %s records the plan for the leaf certificates of the host of the CA",
  async (option) => {
    const alone = { isAdmin: true, answers: noAnswers, timesAlone: 1 };
    const { text } = await regenerate({ ...alone, options: [option] });
    expect(text).toMatch(/^Replace 1 leaf certificate is recorded .*\n= 0$/);
  },
);

test("--regen_certs with no Admin Node Manager is refused on a host without the CA", async () => {
  const { text } = await regenerate({ isAdmin: false, answers: noAnswers, timesAlone: 1 });
  expect(text).toMatch(/^! managedomain: no Admin Node Manager can be reached, .*\n= 30$/);
});
