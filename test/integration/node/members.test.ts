import { chmod, cp, mkdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fingerprintOf, servedFingerprint, shippedDriver } from "../../../src/drivers/index.ts";
import type { AuthorityId } from "../../../src/kit/index.ts";
import { encodePem, parseCertificatesPem } from "../../../src/pki/index.ts";
import { markOf } from "../../../src/transport/index.ts";
import { onEnd } from "../../support/cleanup.ts";
import { revocationList } from "../../support/revocation-list.ts";
import { fillDisk, freeDisk, mountDisk, unmountDisk } from "../../support/small-disk.ts";
import {
  firstCa,
  memberHost,
  secondCa,
  type MemberHost,
  type SeenMember,
} from "../../support/member-host.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";

const isRoot = process.getuid?.() === 0;
/** A reload that does nothing. */
const deaf = { reload: { run: ["true", "{{pidFile}}"] } };

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
    description: deaf,
    prove: [secondCa],
    trusts: [firstCa, secondCa],
  });
  const refused = () => host.lines.some((line) => line.includes("refuses the certificate"));
  const seen = await host.until("it was asked", refused);
  expect(seen.member.installed?.trusts).toEqual([firstCa, secondCa]);
  expect(seen.member.accepts).toEqual([]);
});

test("a host goes on while one of its members hangs, and with what it knew of members while nobody says anything of them", async () => {
  const slow = { check: { run: ["sleep", "2"] } };
  const host = await memberHost("stunnel", { description: slow });
  const begunMs = performance.now();
  for (let looks = 0; looks < 3; looks++) await host.look();
  expect(performance.now() - begunMs).toBeLessThan(1_900);
  const { process } = await well(host);
  const { desired } = host.state;
  const { members: _, ...older } = desired ?? {};
  host.state.desired = host.state.received = older as typeof desired;
  const report = await host.look();
  expect(report.processes).toContainEqual(process);
  expect(report.members).toBeUndefined();
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

test("a server that needs revocation lists gets every new one, and no CA without its own", async () => {
  const path = join(await tempFolder(), "lists.pem");
  const { files } = await shippedDriver("nginx");
  const description = {
    files: [...files, { what: "crl" as const, path: "crl.pem" }],
    revocationLists: [path],
  };
  const host = await memberHost("nginx", { description });
  const write = async (...ids: AuthorityId[]): Promise<void> => {
    const lists = ids.map((id) => revocationList(host.authority(id), Date.now() + 86_400_000));
    const texts = (await Promise.all(lists)).map((list) => encodePem("X509 CRL", list));
    await writeFile(path, texts.join(""));
  };
  const says = (what: RegExp) =>
    host.until("it says so", ({ member }) => what.test(member.problem ?? ""));
  await says(/which is to hold revocation lists, cannot be read: put them there/);
  await write(firstCa);
  await well(host);
  host.wish({ trusts: [firstCa, secondCa] });
  await says(/there is no revocation list of the trusted CA/);
  await write(firstCa, secondCa);
  await host.until(
    "it trusts both",
    (seen) => isWell(seen) && seen.member.installed?.trusts.length === 2,
  );
  const live = await readFile(join(host.paths.current, "crl.pem"), "utf8");
  expect(live).toBe(await readFile(path, "utf8"));
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

describe("a fault", () => {
  test("a server that goes on showing its old certificate has the last good generation again, and is named", async () => {
    const host = await memberHost("nginx");
    const first = await well(host);
    host.wish({ minSequence: 2, description: deaf });
    const seen = await host.until("it was refused", ({ member }) => member.problem !== null);
    const at = `127.0.0.1:${host.paths.port}`;
    expect(seen.member.problem).toContain(
      `generation 1 is in use again: ${at} did not show the certificate within 3 s`,
    );
    expect(seen.credential.installed).toEqual(first.credential.installed);
    const shown = await readFile(join(host.paths.current, "certificate.pem"), "utf8");
    const [leaf] = parseCertificatesPem(shown);
    expect(leaf?.serialHex).toBe(first.credential.installed?.serial);
    // It is not told again and again meanwhile.
    const tries = () => host.lines.filter((line) => line.includes("did not take")).length;
    const before = tries();
    for (let looks = 0; looks < 5; looks++) await host.look();
    expect(tries()).toBe(before);
    host.wish({ description: {} });
    await host.until("another way to reload is tried at once", uses(2));
  });

  test("a certificate that a server shows though it should not any more is replaced again", async () => {
    const host = await memberHost("nginx");
    const { process } = await well(host);
    const { generations } = host.state.layout.member(process.id);
    const text = await readFile(host.paths.configuration, "utf8");
    const folder = join(host.paths.base, "elsewhere");
    await host.placeByHand(folder);
    await writeFile(host.paths.configuration, text.replaceAll(host.paths.current, folder));
    globalThis.process.kill(process.pid ?? 0, "SIGHUP");
    const other = await host.until("it is seen", ({ member }) => member.problem !== null);
    expect(other.member.problem).toMatch(/shows another certificate than generation 1/);
    expect(other.credential.seenOnWire).toBeNull();
    await writeFile(host.paths.configuration, text);
    await well(host);
    expect(await readFile(generations, "utf8")).toContain('"number": 1');
  });

  test("a server that does not come up is tried again after pauses, and its last words are known", async () => {
    const host = await memberHost("nginx");
    const { process } = await well(host);
    const text = await readFile(host.paths.configuration, "utf8");
    await writeFile(host.paths.configuration, `${text}\nnonsense {\n`);
    await kill(process.pid);
    const words = /^its process: it ended with status 1: .*nonsense/;
    const failed = await host.until("it has failed", ({ member }) =>
      words.test(member.problem ?? ""),
    );
    expect(failed.process).toMatchObject({ state: "failed", pid: null });
    await writeFile(host.paths.configuration, text);
    const again = await well(host);
    expect(again.member.installed).toEqual({ sequence: 1, trusts: [firstCa] });
  });

  test("a generation with which a server does not start gives way to the last good one", async () => {
    const host = await memberHost("stunnel");
    const { process } = await well(host);
    host.wish({ enabled: false });
    await host.until("it is stopped", (seen) => seen.process.state === "stopped");
    // Its configuration names a file that the next generation does not have.
    const text = await readFile(host.paths.configuration, "utf8");
    await writeFile(host.paths.configuration, text.replace("/key.pem", "/none.pem"));
    host.wish({ enabled: true, minSequence: 2 });
    const words = /its process: it ended with status 1: .*/;
    const refused = await host.until("it is refused", ({ credential }) =>
      words.test(credential.lastError ?? ""),
    );
    expect(refused.member.problem).toBe(refused.credential.lastError);
    expect(refused.member.installed?.sequence).toBe(1);
    await writeFile(host.paths.configuration, text);
    const seen = await host.until("it runs with the new one", uses(2));
    expect(seen.process.pid).not.toBe(process.pid);
  });

  test.each([
    ["modes that let others read a key", (path: string) => chmod(path, 0o644), "mode"],
    ["a file that is gone", (path: string) => rm(path), "missing"],
  ])("%s are put right, and reported", async (_, spoil, problem) => {
    const host = await memberHost("stunnel");
    await well(host);
    const key = join(host.paths.current, "key.pem");
    await spoil(key);
    const seen = await host.until("it is reported", ({ member }) => member.changedFiles.length > 0);
    expect(seen.member.changedFiles).toEqual([`${key} (${problem})`]);
    await well(host);
    expect((await stat(key)).mode & 0o777).toBe(0o600);
  });

  test("what a dead process left half-written is removed, and the generation brought to its end", async () => {
    const host = await memberHost("nginx");
    await well(host);
    const left = join(host.paths.base, "member", "generations", ".unfinished-gatehouse-2");
    await mkdir(left);
    await writeFile(join(left, "key.pem"), "half a k");
    host.restart();
    host.wish({ minSequence: 2 });
    await host.until("the next one is used", uses(2));
    expect(existsSync(left)).toBe(false);
  });

  test.runIf(isRoot)("a disk that is full leaves the last good generation", async () => {
    const host = await memberHost("nginx");
    const first = await well(host);
    host.wish({ enabled: false });
    await host.until("it is stopped", (seen) => seen.process.state === "stopped");
    const folder = join(host.paths.base, "member");
    const kept = join(host.paths.base, "kept");
    await cp(folder, kept, { recursive: true, verbatimSymlinks: true });
    await mountDisk(folder, 1);
    onEnd(() => unmountDisk(folder));
    await cp(kept, folder, { recursive: true, verbatimSymlinks: true });
    await fillDisk(folder);
    host.wish({ enabled: true, minSequence: 2 });
    const full = await host.until(
      "it runs with what it has",
      (seen) => seen.process.state === "running" && seen.member.problem !== null,
    );
    expect(full.member.problem).toMatch(/the disk is full; make room/);
    expect(full.credential.installed).toEqual(first.credential.installed);
    await freeDisk(folder);
    await host.until("the next one is used", uses(2));
  });
});
