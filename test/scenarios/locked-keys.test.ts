import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import type { HostId } from "../../src/kit/index.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");
const deadlineMs = 30_000;

/** Runs one of our programs; resolves with what it writes. */
async function run(program: "gatehouse" | "managedomain", args: readonly string[]) {
  return promisify(execFile)(join(bin, program), args);
}

/** The hosts that can sign with a CA now, as the Admin Node Manager that is called knows. */
async function signers(domain: LiveDomain): Promise<string> {
  const { signers: all } = await domain.call("getHorizon");
  return [...new Set(all.map(({ hosts }) => hosts.join()))].join(" | ");
}

async function waitForSigners(domain: LiveDomain, wanted: string): Promise<void> {
  await waitUntil(async () => (await signers(domain)) === wanted, {
    deadlineMs,
    what: `${wanted} can sign`,
  });
}

test("an Admin Node Manager with a passphrase restarts sealed, issuance goes on through the other, and it signs alone once it is unlocked", async () => {
  const domain = await LiveDomain.start(1);
  const login = await moveStoreTo(domain, [await testServer()]);
  const first = domain.adminPort;
  await domain.join("host-2", login);
  const { authorities } = await domain.call("shareKeys", { params: { id: "host-2" as HostId } });
  const { authorityKey } = homeLayout(domain.home("host-2"));
  await waitUntil(() => authorities.every((id) => existsSync(authorityKey(id))), {
    deadlineMs,
    what: "the second one has the keys",
  });
  await domain.join("host-3");
  await waitForSigners(domain, "host-1,host-2");

  const folder = await tempFolder();
  const file = (name: string): string => join(folder, name);
  await writeFile(file("passphrase"), "of the first\n");
  await writeFile(file("password"), `${password}\n`);
  const home = ["--home", domain.home("host-1")];
  await domain.cutPower("host-1");
  // The program that gives the new one looks at how the command that runs it shows its arguments.
  const shown = file("shown");
  const exec = `tr '\\0' ' ' < /proc/$PPID/cmdline > ${shown}; echo of the first`;
  await writeFile(file("before"), "not in ps\n");
  const change = ["--change_domain_passphrase", ...home];
  await run("managedomain", [...change, "--new_passphrase_file", file("before")]);
  const again = [...change, "--old_passphrase", "not in ps", "--new_passphrase_exec", exec];
  await run("managedomain", again);
  expect(await readFile(shown, "utf8")).not.toContain("not in ps");

  await domain.startNode("host-1");
  domain.useAdmin(first);
  await waitForSigners(domain, "host-2");
  const { findings } = await domain.call("listFindings");
  expect(findings).toContainEqual(
    expect.objectContaining({ code: "authority-locked", subject: "host-1" }),
  );
  // Its own host asks it, and gets what the other one signs.
  const replaced = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(replaced.rollout.status).toBe("completed");

  const user = ["--username", "admin", "--password-file", file("password")];
  const unlock = ["authority", "unlock", ...home, ...user, "--passphrase-file"];
  await expect(run("gatehouse", [...unlock, file("password")])).rejects.toMatchObject({
    code: 11,
    stderr: "gatehouse: the passphrase is wrong: it does not open the keys\n",
  });
  const { stdout } = await run("gatehouse", [...unlock, file("passphrase")]);
  expect(stdout).toBe("The Admin Node Manager of host-1 signs with traffic-1, management-1.\n");
  await waitForSigners(domain, "host-1,host-2");
  await domain.cutPower("host-2");
  await waitForSigners(domain, "host-1");
  expect((await domain.addInstance("host-3")).port).toBeGreaterThan(0);
  expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });
  expect(await domain.log("host-1")).not.toContain("of the first");
});
