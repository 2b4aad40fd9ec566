import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { RouteBody } from "../../src/contract/index.ts";
import { homeLayout } from "../../src/domain/index.ts";
import { LiveDomain, onLoopback, password } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { strayKeys } from "../support/private-keys.ts";
import { softToken, type SoftToken } from "../support/soft-token.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");
const deadlineMs = 30_000;
const rotation: RouteBody<"createPlan"> = {
  kind: "rotate-ca",
  usages: ["management", "traffic"],
  observeSeconds: 1,
  subject: null,
};

/** Runs one of our programs where the token is reached; resolves with what it prints. */
async function run(
  program: "gatehouse" | "managedomain",
  args: readonly string[],
  token: SoftToken,
): Promise<string> {
  const env = { ...process.env, SOFTHSM2_CONF: token.configFile };
  return (await promisify(execFile)(join(bin, program), args, { env })).stdout;
}

async function passwordFile(): Promise<string> {
  const path = join(await tempFolder(), "password");
  await writeFile(path, `${password}\n`, { mode: 0o600 });
  return path;
}

/** A domain whose CA keys are in the token, made by the command, and what that said. */
async function domainOn(token: SoftToken): Promise<{ domain: LiveDomain; said: string }> {
  let said = "";
  const environment = { SOFTHSM2_CONF: token.configFile };
  const { module, token: label } = token.login;
  const domain = await LiveDomain.start(
    2,
    {},
    (host) => (host === "host-1" ? { ...onLoopback(), environment } : onLoopback()),
    async (home, { hostName, address, port }) => {
      const where = ["--host", hostName, "--address", address, "--port", String(port)];
      const keys = ["--token_module", module, "--token_label", label];
      const pin = ["--token_pin_file", token.pinFile];
      const user = ["--username", "admin", "--password_file", await passwordFile()];
      const args = ["--initialize", "--home", home, ...where, ...keys, ...pin, ...user];
      said = await run("managedomain", args, token);
    },
  );
  return { domain, said };
}

/** The process with the library of the token, a child of the Admin Node Manager. */
async function tokenProcess(domain: LiveDomain): Promise<number | undefined> {
  const admin = await domain.processOf("host-1", "run/admin.json");
  if (admin === null) return undefined;
  const tasks = `/proc/${admin.pid}/task`;
  return readdirSync(tasks)
    .flatMap((task) => readFileSync(`${tasks}/${task}/children`, "utf8").split(" "))
    .filter((pid) => pid !== "" && existsSync(`/proc/${pid}/cmdline`))
    .map(Number)
    .find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("token-process"));
}

async function waitForSigner(domain: LiveDomain, wanted: readonly string[]): Promise<void> {
  await waitUntil(
    async () => {
      const { signers } = await domain.call("getHorizon");
      return signers.every(({ hosts }) => hosts.join() === wanted.join());
    },
    { deadlineMs, what: `who can sign: ${wanted.join() || "nobody"}` },
  );
}

async function codes(domain: LiveDomain): Promise<string[]> {
  return (await domain.call("listFindings")).findings.map(({ code }) => code);
}

test("CA keys in a token sign for a domain through a rotation under load, restarts and the loss of the token, and are in no file", async () => {
  const token = await softToken();
  const { domain, said } = await domainOn(token);
  const { authorities } = await domain.call("listAuthorities");
  const domainId = (await domain.call("getTopology")).id;
  for (const { id, token: place } of authorities)
    expect(place).toEqual({ token: token.login.token, label: `${id} of ${domainId}` });
  const [management] = authorities.filter(({ usage }) => usage === "management");
  expect(said).toContain(`in the token ${token.login.token}, labelled ${management?.token?.label}`);
  expect(token.keys()).toHaveLength(2);

  const { port } = await domain.addInstance("host-2");
  const load = await LiveLoad.start(domain, [port]);
  const id = await domain.roll(rotation);
  const killed: number[] = [];
  const { rollout } = await domain.follow(id, async (phase) => {
    // In the middle of what it signs for.
    const pid = phase === "reissue" ? await tokenProcess(domain) : undefined;
    if (pid === undefined) return;
    process.kill(pid, "SIGKILL");
    killed.push(pid);
  });
  expect(killed).toHaveLength(1);
  expect(rollout.status).toBe("completed");
  expect(token.keys()).toHaveLength(4);

  await domain.kill("host-1", "run/admin.json");
  await waitForSigner(domain, ["host-1"]);
  token.takeAway();
  await waitForSigner(domain, []);
  expect(await codes(domain)).toEqual(
    expect.arrayContaining(["token-unreachable", "authority-cannot-sign"]),
  );
  // Nobody takes the key for lost while the token is away only.
  expect(await codes(domain)).not.toContain("authority-key-lost");
  token.putBack();
  await waitForSigner(domain, ["host-1"]);
  await domain.addInstance("host-2", "later");
  await load.stop();
  expect(load.at(port).failures).toEqual([]);
  expect(load.at(port).requests).toBeGreaterThan(50);

  const user = ["--username", "admin", "--password-file", await passwordFile()];
  const common = ["--home", domain.home("host-1"), ...user];
  const listed = await run("gatehouse", ["authorities", ...common], token);
  expect(listed).toContain(`token ${token.login.token}: management-2 of ${domainId}`);
  const retired = "management-1";
  await run("gatehouse", ["authority", "destroy-key", retired, ...common], token);
  expect(token.keys()).toHaveLength(3);
  const { records } = await domain.call("listAudit");
  expect(records.map(({ action }) => action)).toContain("authority.key-destroyed");

  const now = (await domain.call("listAuthorities")).authorities;
  const root = new X509Certificate(
    now.find(({ id: each }) => each === "management-2")?.certificatePem ?? "",
  );
  expect(root.verify(root.publicKey)).toBe(true);
  const { authorityKeys, domainKey, domainContainer } = homeLayout(domain.home("host-1"));
  expect([domainKey, domainContainer].filter((path) => existsSync(path))).toEqual([]);
  expect(readdirSync(authorityKeys).filter((name) => name.endsWith(".key.pem"))).toEqual([
    "sealing.key.pem",
    "trust-signing.key.pem",
  ]);
  expect(await strayKeys(domain, ["host-1", "host-2"])).toEqual([]);
  expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });
  expect(await domain.log("host-1")).not.toContain(token.login.pin);
});
