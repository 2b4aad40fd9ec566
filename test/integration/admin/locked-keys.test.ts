import { existsSync } from "node:fs";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { AuthorityId, HostId } from "../../../src/kit/index.ts";
import { shareKeys } from "../../../src/control/index.ts";
import { FileAuthorityKeys } from "../../../src/admin/authority-keys.ts";
import { changePassphrase } from "../../../src/admin/change-passphrase.ts";
import { currentFindings } from "../../../src/admin/findings.ts";
import { authorityKeyHandlers } from "../../../src/admin/handlers-authority-keys.ts";
import { keepSharedKeys } from "../../../src/admin/shared-keys.ts";
import { encryptedPrivateKeyPem, readPrivateKeyFile } from "../../../src/keys/index.ts";
import { callApi } from "../../../src/transport/index.ts";
import { startAdmin } from "../../support/admin-process.ts";
import { issueFor, testActor as actor } from "../../support/control-environment.ts";
import { twoAdmins, type TestAdmin } from "../../support/two-admins.ts";

const hostId = "host-2" as HostId;
const management = "management-1" as AuthorityId;
const traffic = "traffic-1" as AuthorityId;
const passphrase = "the passphrase of host-2";

/** Encrypts the keys in its home, and lets it go on as after a start: without the passphrase. */
async function restartProtected({ layout, env, state }: TestAdmin): Promise<void> {
  await mkdir(layout.store, { recursive: true });
  await mkdir(dirname(layout.nodeSettings), { recursive: true });
  await writeFile(layout.nodeSettings, JSON.stringify(state.settings));
  await changePassphrase(layout.home, { old: null, new: passphrase });
  const authorityKeys = new FileAuthorityKeys(layout, env.clock);
  onTestFinished(() => authorityKeys.close());
  authorityKeys.relay = env.authorityKeys.relay;
  Object.assign(env, { authorityKeys });
}

async function unlock({ state }: TestAdmin, given: string) {
  const call = { body: { passphrase: given }, actor } as never;
  return authorityKeyHandlers.unlockKeys(state, call);
}

/** What a renewal by host-2 through `admin` ends with. */
async function renewThrough({ env }: TestAdmin): Promise<string> {
  return issueFor(env, hostId, "nodemanager-2/management").then(
    () => "issued",
    (error: unknown) => (error as { code: string }).code,
  );
}

/** Findings about keys as this one sees them, as `code subject`. */
async function keyFindings(admin: TestAdmin): Promise<string[]> {
  // One that does not answer is taken for gone the second time.
  for (let looks = 0; looks < 2; looks++) await admin.state.reports.look(admin.state);
  return (await currentFindings(admin.state))
    .filter(({ code }) => code.startsWith("authority-"))
    .map(({ code, subject }) => `${code} ${subject}`)
    .toSorted();
}

test("one that starts with encrypted keys has another sign, is named, and signs when it is unlocked", async () => {
  const [one, two] = await twoAdmins();
  await shareKeys(one.env, { hostId, actor });
  await keepSharedKeys(two.state);
  await restartProtected(two);
  expect(await renewThrough(two)).toBe("issued");
  for (const admin of [one, two])
    expect(await keyFindings(admin)).toEqual([
      "authority-locked host-2",
      "authority-unprotected host-1",
    ]);
  expect(one.state.reports.signersOf(traffic)).toEqual(["host-1"]);
  await one.stop();
  expect(await renewThrough(two)).toBe("authority-unavailable");
  expect(await keyFindings(two)).toEqual([
    "authority-cannot-sign management-1",
    "authority-cannot-sign traffic-1",
    "authority-locked host-2",
  ]);
  await expect(unlock(two, "another")).rejects.toMatchObject({
    code: "forbidden",
    message: "the passphrase is wrong: it does not open the keys",
  });
  expect(await renewThrough(two)).toBe("authority-unavailable");
  expect(await unlock(two, passphrase)).toEqual({
    hostId,
    wereLocked: true,
    authorities: [traffic, management],
  });
  expect(await renewThrough(two)).toBe("issued");
  expect(await keyFindings(two)).toEqual([]);
  expect(await unlock(two, passphrase)).toMatchObject({ hostId, wereLocked: false });
});

test("keys that are shared with a locked one wait, and lie there encrypted once it is unlocked", async () => {
  const [one, two] = await twoAdmins();
  await restartProtected(two);
  await shareKeys(one.env, { hostId, actor });
  await keepSharedKeys(two.state);
  expect(existsSync(two.layout.authorityKey(management))).toBe(false);
  await unlock(two, passphrase);
  await one.stop();
  expect(await renewThrough(two)).toBe("issued");
  // Nor is the key of a CA that is made later in plain text.
  await two.env.authorityKeys.create("traffic-2" as AuthorityId);
  for (const id of [management, traffic, "traffic-2" as AuthorityId])
    expect(await readFile(two.layout.authorityKey(id), "utf8")).toMatch(/^-+BEGIN ENCRYPTED/);
});

test("one that cannot share the keys names who holds them", async () => {
  const [, two] = await twoAdmins();
  await expect(shareKeys(two.env, { hostId, actor })).rejects.toMatchObject({
    code: "authority-unavailable",
    message: expect.stringContaining("of host-1 (127.0.0.1)"),
  });
});

test("an Admin Node Manager that starts finishes a change of the passphrase that was decided", async () => {
  const names = [management, traffic].map((id) => `${id}.key.pem`);
  const admin = await startAdmin(async ({ authorityKeys }) => {
    const decided = join(authorityKeys, ".replacement");
    await mkdir(decided);
    // As left by one that was killed after the first of its renames.
    for (const name of ["sealing.key.pem", ...names]) {
      const key = await readPrivateKeyFile(join(authorityKeys, name));
      const folder = name === names[0] ? authorityKeys : decided;
      const pem = await encryptedPrivateKeyPem(key, passphrase);
      await writeFile(join(folder, name), pem, { mode: 0o600 });
    }
  });
  const { authorityKeys } = admin.layout;
  expect((await readdir(authorityKeys)).filter((name) => name.startsWith("."))).toEqual([]);
  for (const name of names)
    expect(await readFile(join(authorityKeys, name), "utf8")).toMatch(/^-+BEGIN ENCRYPTED/);
  const headers = admin.administrator;
  const { findings } = await callApi(admin.caller, "listFindings", { headers });
  expect(findings.map(({ code }) => code)).toContain("authority-locked");
  const done = await callApi(admin.caller, "unlockKeys", { headers, body: { passphrase } });
  expect(done.authorities).toEqual([traffic, management]);
});
