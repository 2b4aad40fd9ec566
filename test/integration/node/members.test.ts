import { readFile, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fingerprintOf, servedFingerprint } from "../../../src/drivers/index.ts";
import { parseCertificatesPem } from "../../../src/pki/index.ts";
import { markOf } from "../../../src/transport/index.ts";
import {
  firstCa,
  memberHost,
  secondCa,
  type MemberHost,
  type SeenMember,
} from "../../support/member-host.ts";
import { waitUntil } from "../../support/wait-until.ts";

const isWell = ({ process, credential, member }: SeenMember): boolean =>
  process.state === "running" &&
  member.problem === null &&
  credential.installed !== null &&
  credential.seenOnWire?.serial === credential.installed.serial;

const uses =
  (sequence: number) =>
  (seen: SeenMember): boolean =>
    isWell(seen) && seen.member.installed?.sequence === sequence;

const well = (host: MemberHost): Promise<SeenMember> => host.until("the member is well", isWell);

async function kill(pid: number | null): Promise<void> {
  process.kill(pid ?? 0, "SIGKILL");
  await waitUntil(async () => (await markOf(pid ?? 0)) === null, {
    deadlineMs: 5_000,
    what: "the process is gone",
  });
}

describe.each(["nginx", "stunnel"])("a supervised member (%s)", (driver) => {
  test("is started with its credential, takes a renewed one and another CA, and is stopped", async () => {
    const host = await memberHost(driver);
    const first = await well(host);
    expect(first.member.installed).toEqual({ sequence: 1, trusts: [firstCa] });
    const limits = await readFile(`/proc/${first.process.pid}/limits`, "utf8");
    expect(limits).toMatch(/Max open files +256 +256/);
    host.wish({ minSequence: 2 });
    const second = await host.until("the renewed one is used", uses(2));
    host.wish({ trusts: [firstCa, secondCa] });
    await host.until("both CAs are trusted", ({ member }) => member.installed?.trusts.length === 2);
    if (driver === "nginx") {
      host.wish({ prove: [secondCa] });
      await host.until("it accepts a probe", ({ member }) => member.accepts.includes(secondCa));
    }
    host.wish({ authorityId: secondCa, minSequence: 3 });
    const third = await host.until("the new CA's is used", uses(3));
    expect(third.credential.installed?.authorityId).toBe(secondCa);
    expect(third.process.pid).toBe(second.process.pid);
    host.wish({ enabled: false });
    await host.until("it is stopped", ({ process }) => process.state === "stopped");
    expect(await markOf(third.process.pid ?? 0)).toBeNull();
  });

  test("outlives its Node Manager, is adopted, and is started again when it is killed", async () => {
    const host = await memberHost(driver);
    const { pid } = (await well(host)).process;
    host.restart();
    expect((await well(host)).process.pid).toBe(pid);
    await kill(pid);
    const again = await host.until(
      "it runs again",
      (seen) => isWell(seen) && seen.process.pid !== pid,
    );
    // Its mark may not have been written before a Node Manager died.
    await writeFile(host.state.layout.member(again.member.id).runFile, "");
    host.restart();
    expect((await well(host)).process.pid).toBe(again.process.pid);
  });
});

test("a server accepts nothing of a CA that it has not loaded, and nothing is said of one that cannot be asked", async () => {
  const host = await memberHost("nginx", { prove: [firstCa] });
  await host.until("it accepts its own CA", ({ member }) => member.accepts.includes(firstCa));
  // Its file has the new CA, and its server has not read it.
  host.wish({
    description: { reload: { run: ["true", "{{pidFile}}"] } },
    prove: [secondCa],
    trusts: [firstCa, secondCa],
  });
  const refused = () => host.lines.some((line) => line.includes("refuses the certificate"));
  const seen = await host.until("it was asked", refused);
  expect(seen.member.installed?.trusts).toEqual([firstCa, secondCa]);
  expect(seen.member.accepts).toEqual([]);
});

test("a member that is only looked after takes credentials, and is left alone in the end", async () => {
  const host = await memberHost("stunnel", { supervised: false });
  const placed = await host.until("its files are there", () =>
    existsSync(join(host.paths.current, "key.pem")),
  );
  expect(placed.member.installed).toBeNull();
  const failed = await host.until("it is failed", ({ process }) => process.state === "failed");
  expect(failed.member.problem).toMatch(/shows no certificate: check that the server runs/);
  host.startServer();
  const first = await host.until("it is looked after", uses(1));
  expect(first.process.pid).toBeNull();
  host.wish({ minSequence: 2 });
  const { credential } = await host.until("the renewed one is used", uses(2));
  host.wish(null);
  const { folder } = host.state.layout.member(first.member.id);
  await waitUntil(async () => (await host.look()) && !existsSync(folder), {
    deadlineMs: 5_000,
    what: "it is forgotten",
  });
  const shown = await servedFingerprint({ host: "127.0.0.1", port: host.paths.port });
  const files = await readFile(join(host.paths.current, "certificate.pem"));
  const [leaf] = parseCertificatesPem(String(files));
  expect([shown, leaf?.serialHex]).toEqual([
    fingerprintOf(leaf?.der ?? new Uint8Array()),
    credential.installed?.serial,
  ]);
});

test("what was placed by hand stays while trust changes, gives way to a managed credential, and comes back", async () => {
  const adopted = { supervised: false, minSequence: 0, maxSequence: 0 };
  const host = await memberHost("nginx", adopted, true);
  const first = await host.placeByHand();
  host.startServer();
  const port = { host: "127.0.0.1", port: host.paths.port };
  const found = await host.until("it is as it was found", uses(0));
  expect(found.member.installed?.trusts).toEqual([firstCa]);
  expect(existsSync(join(host.paths.base, "member"))).toBe(false);
  // Renewed by hand meanwhile: it is not ours yet.
  const renewed = await host.placeByHand();
  expect(renewed.leaf).not.toBe(first.leaf);
  globalThis.process.kill(Number(await readFile(host.paths.pidFile, "utf8")), "SIGHUP");
  await waitUntil(async () => (await servedFingerprint(port)) === renewed.leaf, {
    deadlineMs: 5_000,
    what: "it shows the renewed one",
  });

  host.wish({ trusts: [firstCa, secondCa], prove: [secondCa] });
  const both = await host.until("it trusts both", (seen) => seen.member.accepts.includes(secondCa));
  expect(both.member.installed).toEqual({ sequence: 0, trusts: [firstCa, secondCa] });
  expect(await servedFingerprint(port)).toBe(renewed.leaf);
  host.wish({ authorityId: secondCa, minSequence: 1, maxSequence: null });
  await host.until("it uses a managed one", uses(1));
  expect(await servedFingerprint(port)).not.toBe(renewed.leaf);
  host.restart();
  host.wish({ authorityId: firstCa, minSequence: 0, maxSequence: 0 });
  const back = await host.until("it uses the found one again", uses(0));
  expect(back.credential.installed?.authorityId).toBe(firstCa);
  expect(await servedFingerprint(port)).toBe(renewed.leaf);
});

test("what was placed by hand and is of another CA than was declared is named, and left alone", async () => {
  const adopted = { supervised: false, minSequence: 0, maxSequence: 0, authorityId: secondCa };
  const host = await memberHost("nginx", { ...adopted, trusts: [secondCa] }, true);
  await host.placeByHand();
  host.startServer();
  const { member } = await host.until("it is refused", (seen) => seen.member.problem !== null);
  expect(member.problem).toMatch(/found for one, is not of the CA .* foundCa .*service-1-ca-1/);
  expect(member.installed).toBeNull();
});

test("a supervised member that is no longer wanted is stopped, whoever is Node Manager by then", async () => {
  const host = await memberHost("nginx");
  const { process } = await well(host);
  host.restart();
  host.wish(null);
  await waitUntil(async () => (await host.look()) && (await markOf(process.pid ?? 0)) === null, {
    deadlineMs: 5_000,
    what: "it has ended",
  });
  await waitUntil(
    async () => (await host.look()) && !existsSync(host.state.layout.member(process.id).folder),
    { deadlineMs: 5_000, what: "it is forgotten" },
  );
});

test("a file that somebody changed is put right by another generation, and reported", async () => {
  const host = await memberHost("nginx");
  await well(host);
  const key = join(host.paths.current, "key.pem");
  const before = await readFile(key, "utf8");
  await writeFile(key, "half a k");
  const seen = await host.until("it is reported", ({ member }) => member.changedFiles.length > 0);
  expect(seen.member.changedFiles).toEqual([`${key} (content)`]);
  await well(host);
  expect(await readFile(key, "utf8")).toBe(before);
});

test("a reload that is refused leaves the last good generation and names the culprit", async () => {
  const host = await memberHost("nginx");
  const { credential } = await well(host);
  const text = await readFile(host.paths.configuration, "utf8");
  await writeFile(host.paths.configuration, `${text}\nnonsense {\n`);
  host.wish({ minSequence: 2 });
  const refused = await host.until("it was refused", ({ member }) => member.problem !== null);
  expect(refused.member.problem).toMatch(
    /generation 1 is in use again: the check of nginx.*nonsense/s,
  );
  expect(refused.credential).toMatchObject({
    installed: credential.installed,
    lastError: refused.member.problem,
  });
  await writeFile(host.paths.configuration, text);
  await host.until("it is taken after all", uses(2));
});
