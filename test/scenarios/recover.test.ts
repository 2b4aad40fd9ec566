import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import type { AuthorityId, HostId } from "../../src/kit/index.ts";
import { openssl } from "../support/certificates.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const gatehouse = join(import.meta.dirname, "..", "..", "bin", "gatehouse");
const deadlineMs = 60_000;
const dayMs = 86_400_000;

test("a domain whose CA key is lost refuses what is new with the reason, and gets a new CA without the old key and without a failed request", async () => {
  const domain = await LiveDomain.start(2);
  const instance = await domain.addInstance("host-2");
  const load = await LiveLoad.start(domain, [instance.port]);
  const layout = homeLayout(domain.home("host-1"));
  const plan = (isKeyLost: boolean) => ({
    kind: "rotate-ca" as const,
    usages: ["management" as const, "traffic" as const],
    observeSeconds: 0,
    subject: null,
    ...(isKeyLost ? { isKeyLost } : {}),
  });
  await expect(domain.call("createPlan", { body: plan(true) })).rejects.toMatchObject({
    code: "conflict",
  });
  const { token } = await domain.call("createJoinToken", {
    body: { hostName: "host-3.test", isAdmin: false, lifetimeSeconds: 600 },
  });
  for (const id of ["management-1", "traffic-1"] as AuthorityId[])
    await rm(layout.authorityKey(id));

  const refused = {
    code: "authority-unavailable",
    message: expect.stringMatching(/key of .* is lost: .*recover-ca/) as unknown,
  };
  await expect(
    domain.call("createInstance", {
      body: { name: "another", group: "service", hostId: "host-2" as HostId },
    }),
  ).rejects.toMatchObject(refused);
  await expect(
    domain.call("joinHost", {
      body: {
        token,
        hostName: "host-3.test",
        address: "127.0.0.1",
        nodeManagerName: "n",
        port: 9,
        requestPem: "-",
      },
    }),
  ).rejects.toMatchObject(refused);
  for (const body of [plan(false), { kind: "replace-leaves" as const, credentials: null }])
    await expect(domain.call("createPlan", { body })).rejects.toMatchObject(refused);
  const { findings } = await domain.call("listFindings");
  expect(findings.map(({ code, subject }) => `${code} ${subject}`)).toEqual(
    expect.arrayContaining(["authority-key-lost management-1", "authority-key-lost traffic-1"]),
  );

  const done = await domain.follow(await domain.roll(plan(true)));
  expect(done.rollout.status).toBe("completed");
  const { authorities } = await domain.call("listAuthorities");
  expect(authorities.map(({ id, status }) => `${id} ${status}`).toSorted()).toEqual([
    "management-1 retired",
    "management-2 current",
    "traffic-1 retired",
    "traffic-3 current",
  ]);
  await domain.addInstance("host-2", "later");
  await load.stop();
  expect(load.at(instance.port).failures).toEqual([]);
  expect(load.at(instance.port).requests).toBeGreaterThan(50);
}, 200_000);

test("a domain in which every certificate has expired, those of its CAs too, comes back after one command on the host of its keys, in external and provided mode as in generated mode", async () => {
  const clock = await FakeClock.start();
  const environment = {
    ...clock.environment,
    GATEHOUSE_POLICY: JSON.stringify({ authorityLifetimeSeconds: 35 * 86_400 }),
  };
  const place = { address: "127.0.0.1", exec: [], environment };
  const domain = await LiveDomain.start(3, {}, () => place);
  const away = await domain.addInstance("host-2");
  const own = await domain.addInstance("host-1", "own");
  const folder = await tempFolder();
  const file = (name: string): string => join(folder, name);
  await writeFile(file("password"), `${password}\n`);
  const user = ["--home", domain.home("host-1"), "--username", "admin"];
  const run = async (...command: string[]): Promise<string> => {
    const all = [...user, "--password-file", file("password"), ...command];
    return (await promisify(execFile)(gatehouse, all, { env: { ...process.env, ...environment } }))
      .stdout;
  };
  const everybodyIsBack = async (fromDay: number, meanwhile = async () => {}): Promise<void> => {
    const areAllBack = async (): Promise<boolean> => {
      await meanwhile();
      const hosts = await run("host", "list").catch(() => "");
      return (hosts.match(/\byes\b/g) ?? []).length === 3;
    };
    await waitUntil(areAllBack, { deadlineMs, what: "every host is back" });
    for (const { port } of [away, own]) {
      const shows = async (): Promise<boolean> => {
        await meanwhile();
        return (await endOf(port)) > Date.now() + (fromDay + 20) * dayMs;
      };
      await waitUntil(shows, { deadlineMs, what: `the gateway at ${port} shows a new one` });
    }
  };
  const ca = externalCa(folder);
  await changeToExternal(domain, ca, run);

  await domain.cutPower("host-3");
  await clock.moveTo("+40d");
  await expect(run("recover")).rejects.toMatchObject({
    code: 20,
    stderr: expect.stringContaining("gatehouse node stop") as unknown,
  });
  await run("node", "stop");
  await expect(run("node", "start")).rejects.toMatchObject({ code: 49 });
  // Its own certificate comes first: without it nothing serves that could take the others.
  expect(await run("recover", "--bundle", file("first"))).toMatch(/in place of traffic-1/);
  await expect(run("node", "start")).rejects.toMatchObject({ code: 52 });
  await expect(run("signing", "submit", ca.certificate)).rejects.toMatchObject({
    stderr: expect.stringContaining("was not among them") as unknown,
  });
  await ca.sign(file("first"), 300);
  expect(await run("signing", "submit", file("first"))).toMatch(/host-1 has a new certificate/);
  await domain.startNode("host-1");
  await domain.startNode("host-3");
  const answered = new Set<string>();
  let bundles = 0;
  await everybodyIsBack(40, async () => {
    const next = join(folder, `next-${(bundles += 1)}`);
    await run("signing", "export", next).catch(() => "");
    const names = existsSync(next) ? await ca.sign(next, 300) : [];
    if (names.length > 0) await run("signing", "submit", next);
    for (const name of names) answered.add(name);
  });
  expect([...answered]).toEqual(
    expect.arrayContaining(["nodemanager-2-management.csr", "nodemanager-3-management.csr"]),
  );
  expect(await run("audit", "verify")).toMatch(/verif/);

  await run("node", "stop");
  await clock.moveTo("+80d");
  expect(await run("recover", "--new-ca")).toMatch(/new CAs in place of management-2, traffic-3/);
  // Nobody has seen those when they end, too.
  await clock.moveTo("+120d");
  expect(await run("recover")).toMatch(/new CAs in place of management-4, traffic-5/);
  await domain.startNode("host-1");
  await everybodyIsBack(120);
  expect(await run("authorities")).toMatch(/management-6 .*current/);

  const provided = ["--ca", externalCa(await tempFolder(), "provided").container];
  await limitDays(domain, 30);
  await run("plan", "change-signing", "provided", ...provided, ...change);
  await run("node", "stop");
  await clock.moveTo("+160d");
  await run("recover", ...provided);
  await domain.startNode("host-1");
  await everybodyIsBack(160, async () => {
    await run("signing", "sign", ...provided).catch(() => "");
  });
  expect(await run("audit", "verify")).toMatch(/verif/);
  await clock.moveTo("+0");
}, 300_000);

const change = ["--start", "--follow", "--observe", "0", "--waive-unmanaged", "a test"];

/** How long certificates last that are signed on host-1 from now on. */
async function limitDays(domain: LiveDomain, days: number): Promise<void> {
  const path = homeLayout(domain.home("host-1")).opensslConfig;
  const text = await readFile(path, "utf8");
  await writeFile(path, text.replace(/^default_days = .*$/m, `default_days = ${days}`));
}

/** A CA of OpenSSL's. `sign` puts the certificates beside the requests of a folder, and names those. */
function externalCa(folder: string, name = "external") {
  const [key, certificate] = [join(folder, "ca.key"), join(folder, "ca.pem")];
  const container = join(folder, "ca.p12");
  const made = ["-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate];
  const extension = "keyUsage=critical,keyCertSign,cRLSign";
  openssl(["req", "-x509", "-subj", `/CN=${name}`, ...made, "-days", "900", "-addext", extension]);
  const kept = ["-inkey", key, "-in", certificate, "-passout", "pass:", "-out", container];
  openssl(["pkcs12", "-export", ...kept]);
  const sign = async (from: string, days: number): Promise<string[]> => {
    const names = (await readdir(from)).filter((each) => each.endsWith(".csr"));
    for (const name of names) {
      const request = join(from, name);
      const signer = ["-CA", certificate, "-CAkey", key, "-CAcreateserial", "-days", String(days)];
      const copied = ["-copy_extensions", "copyall", "-out", `${request}.pem`];
      openssl(["x509", "-req", "-in", request, ...signer, ...copied]);
    }
    return names;
  };
  return { certificate, container, sign, folder };
}

/** Has the management certificates signed for 30 days by that CA. */
async function changeToExternal(
  domain: LiveDomain,
  ca: ReturnType<typeof externalCa>,
  run: (...command: string[]) => Promise<string>,
): Promise<void> {
  const out = join(ca.folder, "out");
  const changed = run("plan", "change-signing", "external", "--ca", ca.certificate, ...change);
  const isRequested = async (): Promise<boolean> =>
    (await domain.call("listSigningRequests")).requests.length === 5;
  await waitUntil(isRequested, { deadlineMs, what: "every process has made its request" });
  await run("signing", "export", out);
  await ca.sign(out, 30);
  await run("signing", "submit", out);
  await changed;
}

/** When the certificate that is shown at a port ends, ms since 1970. */
function endOf(port: number): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      resolve(Date.parse(socket.getPeerCertificate().valid_to));
      socket.destroy();
    });
    socket.once("error", () => resolve(0));
  });
}
