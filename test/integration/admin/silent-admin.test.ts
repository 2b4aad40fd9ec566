import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import type { AuthorityId, HostId } from "../../../src/kit/index.ts";
import { shareKeys } from "../../../src/control/index.ts";
import { currentFindings } from "../../../src/admin/findings.ts";
import { keepSharedKeys } from "../../../src/admin/shared-keys.ts";
import { testActor as actor } from "../../support/control-environment.ts";
import { twoAdmins, type TestAdmin } from "../../support/two-admins.ts";

const hostId = "host-2" as HostId;
const traffic = "traffic-1" as AuthorityId;
const told = new Set(["one-admin", "admin-silent", "one-key-holder"]);

/** What is said of the Admin Node Managers after so many looks, as `code subject`. */
async function found({ state }: TestAdmin, looks: number): Promise<string[]> {
  for (let done = 0; done < looks; done++) await state.reports.look(state);
  const findings = await currentFindings(state);
  return findings
    .filter(({ code }) => told.has(code))
    .map(({ code, subject }) => `${code} ${subject}`)
    .toSorted();
}

const oneHolder = ["one-key-holder management-1", "one-key-holder traffic-1"];

test("an Admin Node Manager that has joined and never served is named, and counts for nothing", async () => {
  const [one, two] = await twoAdmins();
  await two.stop();
  expect(await found(one, 1)).toEqual(["one-admin domain", ...oneHolder]);
  await shareKeys(one.env, { hostId, actor });
  expect(await found(one, 1)).toEqual(["admin-silent host-2", "one-admin domain", ...oneHolder]);
  const silent = (await currentFindings(one.state)).find(({ code }) => code === "admin-silent");
  expect(silent?.severity).toBe("error");
  expect(silent?.text).toMatch(/^the Admin Node Manager of \S+ \(host-2\) does not answer: /);
});

test("one that answers and has the keys leaves nothing to say, and is named once it is gone", async () => {
  const [one, two] = await twoAdmins();
  expect(await found(one, 1)).toEqual(oneHolder);
  await shareKeys(one.env, { hostId, actor });
  expect(await found(one, 1)).toEqual(oneHolder);
  await keepSharedKeys(two.state);
  expect(await found(one, 1)).toEqual([]);
  await rm(two.layout.authorityKey(traffic));
  expect(await found(one, 1)).toEqual(["one-key-holder traffic-1"]);
  await keepSharedKeys(two.state);
  expect(await found(one, 1)).toEqual([]);
  await two.stop();
  // Once may be chance.
  expect(await found(one, 1)).toEqual([]);
  expect(await found(one, 1)).toEqual(["admin-silent host-2", "one-admin domain", ...oneHolder]);
});

test("a holder whose clock is off has the key all the same", async () => {
  const [one, two] = await twoAdmins();
  await shareKeys(one.env, { hostId, actor });
  await keepSharedKeys(two.state);
  await two.state.reports.look(two.state);
  two.setClock(7_200_000);
  expect(await found(one, 1)).toEqual([]);
  expect(one.state.reports.signersOf(traffic)).toEqual(["host-1"]);
});
