import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AuthorityId, HostId } from "../../../src/kit/index.ts";
import type { HomeLayout } from "../../../src/domain/index.ts";
import { unshareKeys } from "../../../src/control/index.ts";
import { writeTokenSettings } from "../../../src/admin/home-token.ts";
import { moveKeys, shareWith } from "../../../src/admin/move-keys.ts";
import { ownReport } from "../../../src/admin/own-report.ts";
import { keepSharedKeys } from "../../../src/admin/shared-keys.ts";
import { makeLasting, type Lasting } from "../../support/cleanup.ts";
import { softToken, type SoftToken } from "../../support/soft-token.ts";
import { twoAdmins, type TestAdmin } from "../../support/two-admins.ts";

const hostId = "host-2" as HostId;
const actor = "user:admin";
const management = "management-1" as AuthorityId;
let lasting: Lasting<SoftToken>;

beforeAll(async () => {
  lasting = await makeLasting(softToken);
  process.env["SOFTHSM2_CONF"] = lasting.made.configFile;
});
afterAll(() => lasting.remove());

let domains = 0;
const domain = (): string => `domain-${domains}`;

/** Names the token in a home; without a source of the PIN it is asked for. */
function reach(layout: HomeLayout, isPinKnown = true): Promise<void> {
  const { module, token } = lasting.made.login;
  const pin = isPinKnown ? { pinFile: lasting.made.pinFile } : {};
  return writeTokenSettings(layout, { module, token, domain: domain(), ...pin });
}

async function signs({ state }: TestAdmin): Promise<readonly string[]> {
  return (await ownReport(state)).signs;
}

function start(isPinKnown = true): Promise<readonly [TestAdmin, TestAdmin]> {
  domains += 1;
  return twoAdmins((layout) => reach(layout, isPinKnown));
}

describe("keys in a token", () => {
  test("are not copied to another Admin Node Manager, which signs with them when it has proven to reach them", async () => {
    const [one, two] = await start();
    await expect(shareWith(one.state, hostId, actor)).rejects.toMatchObject({
      code: "not-supported",
      message: expect.stringContaining("never leaves it") as string,
    });
    await keepSharedKeys(two.state);
    expect(await signs(two)).toEqual([]);

    await reach(two.layout);
    expect(await shareWith(one.state, hostId, actor)).toContain(management);
    await keepSharedKeys(two.state);
    expect(await signs(two)).toEqual(await signs(one));
    expect(existsSync(two.layout.authorityKey(management))).toBe(false);
    expect(await one.env.store.read((view) => view.sealedKeys.ofHost(hostId))).toEqual([]);

    await unshareKeys(one.env, { hostId, actor });
    await keepSharedKeys(two.state);
    expect(await signs(two)).toEqual([]);
    expect(await signs(one)).toContain(management);
  });

  test("move by a proof, and the one before signs with them no more", async () => {
    const [one, two] = await start();
    await reach(two.layout);
    const follow = setInterval(() => void keepSharedKeys(two.state).catch(() => {}), 50);
    try {
      expect(await moveKeys(one.state, { to: hostId, from: null, actor })).toMatchObject({
        from: "host-1",
      });
    } finally {
      clearInterval(follow);
    }
    await Promise.all([one, two].map(({ state }) => keepSharedKeys(state)));
    expect(await signs(one)).toEqual([]);
    expect(await signs(two)).toContain(management);
  });

  test("wait for their PIN at a start, and are no lost keys meanwhile", async () => {
    const [one] = await start();
    await one.env.authorityKeys.close();
    await reach(one.layout, false);
    expect(await ownReport(one.state)).toMatchObject({
      signs: [],
      findings: [expect.objectContaining({ code: "authority-locked" })],
    });
    const { authorityKeys } = one.env;
    await expect(authorityKeys.unlock("0000")).rejects.toMatchObject({ code: "forbidden" });
    expect(await authorityKeys.unlock(lasting.made.login.pin)).toBe(true);
    expect(await signs(one)).toContain(management);
  });

  test("are missing where the home names another token, or none", async () => {
    const [one] = await start();
    const { module } = lasting.made.login;
    const { pinFile } = lasting.made;
    const another = { module, token: "another", domain: domain(), pinFile };
    await writeTokenSettings(one.layout, another);
    const { findings } = await ownReport(one.state);
    expect(findings.map(({ code }) => code)).toContain("authority-key-missing");
    const authority = await one.env.store.read((view) => view.authorities.get(management));
    const destroyed = one.env.authorityKeys.destroyInToken(authority ?? { id: management });
    await expect(destroyed).rejects.toMatchObject({ code: "authority-unavailable" });
    // It goes on by itself when it is named again, which the running process sees.
    await reach(one.layout);
    expect(await signs(one)).toContain(management);
  });
});
