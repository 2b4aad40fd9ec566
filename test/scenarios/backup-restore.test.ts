import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { homeLayout, type TrustDocument } from "../../src/domain/index.ts";
import type { SavedTrust } from "../../src/transport/index.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { strayKeys } from "../support/private-keys.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const gatehouse = join(import.meta.dirname, "..", "..", "bin", "gatehouse");
const deadlineMs = 60_000;

async function trustOf(domain: LiveDomain, host: string): Promise<TrustDocument> {
  const { trust } = homeLayout(domain.home(host));
  const { link } = JSON.parse(await readFile(trust, "utf8")) as SavedTrust;
  return JSON.parse(Buffer.from(link.payload, "base64").toString("utf8")) as TrustDocument;
}

/** `gatehouse` on the first host, as its administrator. */
async function commandsOn(domain: LiveDomain) {
  const folder = await tempFolder();
  const file = (name: string): string => join(folder, name);
  await writeFile(file("passphrase"), "of the backup\n");
  await writeFile(file("password"), `${password}\n`);
  const user = ["--home", domain.home("host-1"), "--username", "admin"];
  const run = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)(gatehouse, [...user, "--password-file", file("password"), ...args]))
      .stdout;
  return { run, file, secret: ["--passphrase-file", file("passphrase")] };
}

/** The administrator's own trust follows once the new identity is published; the session is a new one. */
async function logInAgain(domain: LiveDomain): Promise<void> {
  const answers = (): Promise<boolean> =>
    domain.call("getTrust", { query: { after: 0 } } as never).then(
      () => domain.logIn(),
      () => false,
    );
  await waitUntil(answers, { deadlineMs, what: "the administrator logs in" });
}

test("a domain whose first host is destroyed comes back from a backup, forgets no revocation, lowers no epoch and locks nobody out", async () => {
  const domain = await LiveDomain.start(3);
  const { run, file, secret } = await commandsOn(domain);
  await writeFile(file("wrong"), "of another\n");
  const kept = await domain.addInstance("host-2");
  const revoked = await domain.addInstance("host-3");

  const load = await LiveLoad.start(domain, [kept.port]);
  expect(await run("findings")).toContain("keys-not-backed-up");
  expect(await run("backup", file("backup"), ...secret)).toMatch(/It was opened and checked/);
  expect(await run("findings")).not.toContain("keys-not-backed-up");
  expect((await readFile(file("backup"), "latin1")).includes("PRIVATE KEY")).toBe(false);
  await expect(run("backup", file("backup"), ...secret)).rejects.toMatchObject({ code: 4 });

  // All that the backup does not know.
  await domain.call("revoke", { body: { process: revoked.id, reason: "stolen" } as never });
  await domain.follow(await domain.roll({ kind: "replace-leaves", credentials: null }));
  await domain.join("host-4");
  const later = await domain.addInstance("host-2", "later");
  await domain.waitForCredentials((id) => id === "nodemanager-4/management", 1);
  const before = await trustOf(domain, "host-2");
  const ends = new Map(
    (await domain.call("listCredentials")).credentials.map(({ id, notAfterMs }) => [
      id,
      notAfterMs,
    ]),
  );
  expect(before.denied.length).toBeGreaterThan(0);

  await domain.cutPower("host-1");
  await rm(domain.home("host-1"), { recursive: true });
  await domain.stopNode("host-3");
  await domain.stopNode("host-4");
  await expect(
    run("restore", file("backup"), "--passphrase-file", file("wrong")),
  ).rejects.toMatchObject({ code: 11 });
  expect(existsSync(domain.home("host-1"))).toBe(false);
  expect(await run("restore", file("backup"), ...secret)).toMatch(
    /publishes nothing before it has heard of host-2\.test, host-3\.test:/,
  );
  await expect(run("restore", file("backup"), ...secret)).rejects.toMatchObject({ code: 22 });

  await domain.startNode("host-1");
  const waitsFor = async (): Promise<string> =>
    (await run("findings").catch(() => "restored-host-unheard: not there yet"))
      .split("\n")
      .filter((line) => line.includes("restored-host-unheard"))
      .join();
  await waitUntil(async () => /^(?!.*host-2).*host-3/.test(await waitsFor()), {
    deadlineMs,
    what: "host-2 is heard of, and host-3 is waited for",
  });
  // Host 3 may hold another link of the number that would come next.
  expect((await trustOf(domain, "host-2")).epoch).toBe(before.epoch);
  await expect(run("revoke", kept.id, "--reason", "too early")).rejects.toMatchObject({ code: 46 });

  await domain.startNode("host-3");
  await logInAgain(domain);
  const areBack = (count: number) =>
    waitUntil(
      async () => {
        const { hosts } = await domain.call("getTopology");
        return hosts.length === count && hosts.every(({ connected }) => connected);
      },
      { deadlineMs, what: `${count} hosts are back` },
    );
  await areBack(3);
  // Nobody knew of it, so that it was not waited for; it is heard of all the same.
  await domain.startNode("host-4");
  await areBack(4);
  for (const host of ["host-1", "host-2", "host-3", "host-4"])
    await waitUntil(async () => (await trustOf(domain, host)).epoch > before.epoch, {
      deadlineMs,
      what: `${host} has loaded newer trust`,
    });
  const after = await trustOf(domain, "host-4");
  expect(after.denied).toEqual(expect.arrayContaining([...before.denied]));

  // Nobody got anything anew but the host that was restored.
  expect([...ends.keys()].join()).toContain(later.id);
  await domain.waitForCredentials(() => true, ends.size);
  const { credentials } = await domain.call("listCredentials");
  for (const { id, hostId, notAfterMs } of credentials)
    if (hostId !== "host-1") expect([id, notAfterMs]).toEqual([id, ends.get(id)]);
  const { issuances } = await domain.call("listIssuances", { query: { limit: 1000 } } as never);
  const logged = issuances.map(({ authorityId, serial }) => `${authorityId} ${serial}`);
  expect(new Set(logged).size).toBe(logged.length);
  const { findings } = await domain.call("listFindings");
  const restored = findings.find(({ code }) => code === "restored");
  expect(restored?.text).toMatch(/taken over what it did not know: .*host-4/);
  expect(findings.filter(({ code }) => code === "store-behind")).toEqual([]);
  expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });

  const hosts = ["host-1", "host-2", "host-3", "host-4"];
  await expect.poll(() => strayKeys(domain, hosts), { timeout: 10_000 }).toEqual([]);
  const created = await domain.addInstance("host-2", "after");
  expect(Number(created.id.split("-")[1])).toBeGreaterThan(1000);
  const again = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(again.rollout.status).toBe("completed");
  await load.stop();
  expect(load.at(kept.port).failures).toEqual([]);
  expect(await run("backup", file("another"), ...secret)).toContain("4 hosts");
  expect(await run("findings")).not.toMatch(/\brestored\b/);
  expect((await readdir(homeLayout(domain.home("host-1")).store)).join()).not.toContain("backup");
}, 300_000);

test("a domain in a database whose CA was replaced after the backup comes back under one whose key it has", async () => {
  const domain = await LiveDomain.start(2);
  await moveStoreTo(domain, [await testServer()]);
  const { run, file, secret } = await commandsOn(domain);
  await run("backup", file("backup"), ...secret);
  const usages = ["management" as const];
  const rotation = { kind: "rotate-ca" as const, usages, observeSeconds: 0, subject: null };
  await domain.follow(await domain.roll(rotation));
  const before = await trustOf(domain, "host-2");

  await domain.cutPower("host-1");
  await rm(domain.home("host-1"), { recursive: true });
  await run("restore", file("backup"), ...secret);
  await domain.startNode("host-1");
  await waitUntil(async () => (await trustOf(domain, "host-2")).epoch > before.epoch, {
    deadlineMs,
    what: "host-2 was heard of, and has loaded what was published then",
  });
  await run("node", "stop");
  expect(await run("recover", "--new-ca")).toMatch(/new CAs in place of management-2/);
  await domain.startNode("host-1");
  await logInAgain(domain);
  await waitUntil(
    async () => (await domain.call("getTopology")).hosts.every(({ connected }) => connected),
    { deadlineMs, what: "both hosts are back" },
  );
  const instance = await domain.addInstance("host-2");
  expect(instance.port).toBeGreaterThan(0);
  const { authorities } = await domain.call("listAuthorities");
  expect(
    authorities.filter(({ usage }) => usage === "management").map(({ status }) => status),
  ).toEqual(expect.arrayContaining(["retired", "restored", "current"]));
}, 200_000);
