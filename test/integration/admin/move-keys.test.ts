import { existsSync } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { AuthorityId, HostId } from "../../../src/kit/index.ts";
import { endKeyMove, findKeyMove, shareKeys, unshareKeys } from "../../../src/control/index.ts";
import { currentFindings } from "../../../src/admin/findings.ts";
import { moveKeys } from "../../../src/admin/move-keys.ts";
import { keepSharedKeys } from "../../../src/admin/shared-keys.ts";
import { issueFor, testActor as actor } from "../../support/control-environment.ts";
import { twoAdmins, type TestAdmin } from "../../support/two-admins.ts";
import { waitUntil } from "../../support/wait-until.ts";

const first = "host-1" as HostId;
const second = "host-2" as HostId;
const traffic = "traffic-1" as AuthorityId;
const management = "management-1" as AuthorityId;

async function holders({ env }: TestAdmin): Promise<(readonly HostId[])[]> {
  return (await env.store.read((view) => view.authorities.all())).map((each) => each.holders);
}

async function actions({ env }: TestAdmin): Promise<string[]> {
  const page = await env.store.read((view) => view.audit.page({}, 1000));
  return page.map(({ action }) => action);
}

/** Moves the keys to the second host, which takes what is shared with it as soon as it sees that. */
async function move([one, two]: readonly [TestAdmin, TestAdmin]) {
  const moving = moveKeys(one.state, { to: second, from: null, actor });
  moving.catch(() => undefined);
  await waitUntil(async () => (await holders(one)).every((all) => all.includes(second)), {
    deadlineMs: 5_000,
    what: "the keys are shared",
  });
  await keepSharedKeys(two.state);
  return moving;
}

describe("moveKeys", () => {
  test("leaves the keys with the new holder alone, which has signed, and has the other delete and record its copies", async () => {
    const [one, two] = await twoAdmins();
    expect(await move([one, two])).toEqual({ from: first, authorities: [traffic, management] });
    expect(await holders(one)).toEqual([[second], [second]]);
    await keepSharedKeys(one.state);
    for (const id of [traffic, management]) {
      expect(existsSync(one.layout.authorityKey(id))).toBe(false);
      expect(existsSync(two.layout.authorityKey(id))).toBe(true);
    }
    expect(await actions(one)).toEqual(
      expect.arrayContaining(["authority.share", "authority.move", "authority.copy-deleted"]),
    );
    await issueFor(one.env, second, "nodemanager-2/management");
    expect(await moveKeys(one.state, { to: second, from: null, actor })).toEqual({
      from: null,
      authorities: [],
    });
  });

  test("goes on where it was interrupted after the keys were shared", async () => {
    const [one, two] = await twoAdmins();
    await shareKeys(one.env, { hostId: second, actor });
    expect(await holders(one)).toEqual([
      [first, second],
      [first, second],
    ]);
    await move([one, two]);
    expect(await holders(one)).toEqual([[second], [second]]);
  });

  test("stays with the old holder when the new one has another CA's key, and names both", async () => {
    const [one, two] = await twoAdmins();
    await shareKeys(one.env, { hostId: second, actor });
    await keepSharedKeys(two.state);
    await copyFile(two.layout.authorityKey(traffic), two.layout.authorityKey(management));
    await expect(moveKeys(one.state, { to: second, from: null, actor })).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(
        /^beta holds another key for management-1 than alpha: /,
      ) as string,
    });
    expect(await holders(one)).toEqual([
      [first, second],
      [first, second],
    ]);
    // It is not written over, and named with both hosts.
    await keepSharedKeys(two.state);
    await two.state.reports.look(two.state);
    const found = await currentFindings(two.state);
    expect(found.find(({ code }) => code === "two-signing-authorities")?.text).toMatch(
      /^host-2 and host-1 hold different keys for management-1/,
    );
    await rm(two.layout.authorityKey(management));
    await move([one, two]);
    expect(await holders(one)).toEqual([[second], [second]]);
  });

  test("moves nothing from a host that holds none, nor to one that is no holder any more", async () => {
    const [one] = await twoAdmins();
    await expect(moveKeys(one.state, { to: first, from: second, actor })).rejects.toMatchObject({
      code: "not-found",
    });
    const { env } = one;
    const found = await env.store.read((view) => findKeyMove(view, { to: second, from: null }));
    if (found === null) throw new Error("there is something to move");
    await shareKeys(env, { hostId: second, actor });
    await unshareKeys(env, { hostId: second, actor });
    await expect(endKeyMove(env, found, actor)).rejects.toMatchObject({ code: "conflict" });
    expect(await holders(one)).toEqual([[first], [first]]);
  });
});
