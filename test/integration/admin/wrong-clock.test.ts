import { expect, test } from "vitest";
import type { AuthorityId, HostId } from "../../../src/kit/index.ts";
import { shareKeys } from "../../../src/control/index.ts";
import { currentFindings } from "../../../src/admin/findings.ts";
import { keepSharedKeys } from "../../../src/admin/shared-keys.ts";
import { issueFor, testActor as actor } from "../../support/control-environment.ts";
import { twoAdmins, type TestAdmin } from "../../support/two-admins.ts";

const hostId = "host-2" as HostId;
const management = "management-1" as AuthorityId;
const hourMs = 3_600_000;

/** Two that both hold the keys, and have asked each other. */
async function twoHolders(): Promise<readonly [TestAdmin, TestAdmin]> {
  const admins = await twoAdmins();
  await shareKeys(admins[0].env, { hostId, actor });
  await keepSharedKeys(admins[1].state);
  await look(admins);
  return admins;
}

async function look(admins: readonly TestAdmin[]): Promise<void> {
  for (const { state } of admins) await state.reports.look(state);
}

async function clockFindings({ state }: TestAdmin): Promise<string[]> {
  const findings = await currentFindings(state);
  return findings
    .filter(({ code }) => code.startsWith("clock-") || code === "authority-cannot-sign")
    .map(({ code, subject }) => `${code} ${subject}`)
    .toSorted();
}

/** Hours from now until a certificate that is renewed through it begins; or the code of the refusal. */
async function renewedThrough({ env }: TestAdmin): Promise<string> {
  try {
    const { notBeforeMs } = await issueFor(env, hostId, "nodemanager-2/management");
    return `${Math.round((notBeforeMs - Date.now()) / hourMs)} h`;
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test("one whose clock is set has the other sign from then on, is named, and signs again when it is right", async () => {
  const admins = await twoHolders();
  const [one, two] = admins;
  expect(two.state.reports.signersOf(management)).toEqual(["host-1", hostId]);
  two.setClock(hourMs);
  expect(await renewedThrough(two)).toBe("-1 h");
  await look(admins);
  for (const admin of admins) {
    expect(await clockFindings(admin)).toContain("clock-off host-2");
    expect(admin.state.reports.signersOf(management)).toEqual(["host-1"]);
  }
  await one.stop();
  expect(await renewedThrough(two)).toBe("authority-unavailable");
  two.setClock(-hourMs);
  expect(await renewedThrough(two)).toBe("-1 h");
});

test("one that is off writes the right time, so that its hosts are not silent for the other", async () => {
  const [one, two] = await twoHolders();
  two.setClock(-hourMs);
  expect(Math.abs(two.env.clock.nowMs() - one.env.clock.nowMs())).toBeLessThan(1000);
});

test("two against a database stay right; one that is left with it goes on and says that it cannot know", async () => {
  const admins = await twoHolders();
  const [one, two] = admins;
  Object.assign(two.env, { databaseNowMs: async () => Date.now() + 5 * hourMs });
  // Asked at every fifth look.
  for (let looks = 0; looks < 5; looks++) await look(admins);
  expect(await clockFindings(two)).toEqual([]);
  await one.stop();
  await two.state.reports.look(two.state);
  expect(await clockFindings(two)).toEqual([]);
  await two.state.reports.look(two.state);
  expect(await clockFindings(two)).toEqual(["clock-doubtful host-2"]);
  expect(await renewedThrough(two)).toBe("-1 h");
  two.setClock(2 * hourMs);
  expect(await renewedThrough(two)).toBe("authority-unavailable");
  await two.state.reports.look(two.state);
  expect(await clockFindings(two)).toEqual([
    "authority-cannot-sign management-1",
    "authority-cannot-sign traffic-1",
    "clock-off host-2",
  ]);
});
