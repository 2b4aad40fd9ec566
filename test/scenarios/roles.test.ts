import { X509Certificate } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import type { ProcessMark, SavedTrust } from "../../src/transport/index.ts";
import { freePort } from "../support/free-port.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { strayKeys } from "../support/private-keys.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

const nodeManagerUsage = "1.3.6.1.4.1.17998.10.1.1.2.1";
const adminUsage = "1.3.6.1.4.1.17998.10.1.1.2.2";

/** What a host presents now: its usages and its identity. */
async function presented(domain: LiveDomain, host: string): Promise<string> {
  const folder = homeLayout(domain.home(host)).nodeCredential;
  const leaf = new X509Certificate(await readFile(join(folder, "current", "certificate.pem")));
  return `${leaf.keyUsage?.filter((usage) => usage.startsWith("1.3.6")).join(" ")} ${leaf.subjectAltName}`;
}

async function namedAdmins(domain: LiveDomain, host: string): Promise<string[]> {
  const text = await readFile(homeLayout(domain.home(host)).trust, "utf8");
  const { link } = JSON.parse(text) as SavedTrust;
  const { admins } = JSON.parse(Buffer.from(link.payload, "base64").toString("utf8")) as {
    admins: { hostId: string }[];
  };
  return admins.map(({ hostId }) => hostId);
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => resolve(socket.destroy().destroyed));
    socket.once("error", () => resolve(false));
  });
}

const privateFiles = (domain: LiveDomain, host: string): string[] =>
  readdirSync(homeLayout(domain.home(host)).authorityKeys);

test("Node Managers become Admin Node Managers and plain ones again while instances serve and nothing restarts", async () => {
  const server = await testServer();
  const domain = await LiveDomain.start(3);
  const runs = await ProgramRuns.open();
  await runs.write("password", password);
  const one = `--home ${domain.home("host-1")} ${runs.login}`;
  const two = `--home ${domain.home("host-2")} ${runs.login}`;
  const three = `--home ${domain.home("host-3")} ${runs.login}`;
  const edit = "managedomain --edit_host --host";
  const instances = [await domain.addInstance("host-2"), await domain.addInstance("host-1")];
  const load = await LiveLoad.start(
    domain,
    instances.map(({ port }) => port),
  );
  const nodes = new Map<string, ProcessMark | null>();
  for (const host of ["host-1", "host-2"])
    nodes.set(host, await domain.processOf(host, "run/node.json"));

  expect((await runs.run(`${edit} host-2.test --is_admin ${one}`)).err).toContain(
    "gatehouse store migrate",
  );
  const { passwordFile } = await moveStoreTo(domain, [server]);
  await runs.refused("not-supported", `${edit} host-2.test --is_admin ${one}`);
  await runs.refused("usage", `${edit} host-2.test ${one}`);
  await runs.refused("forbidden", `${edit} host-1.test ${two}`);
  await runs.refused("not-found", `${edit} host-9.test --is_admin ${one}`);

  const promoted = await runs.done(
    `${edit} host-2.test --is_admin --db_password_file ${passwordFile} ${two}`,
  );
  expect(promoted).toContain("is an Admin Node Manager (https://127.0.0.1:");
  expect(await presented(domain, "host-2")).toMatch(
    new RegExp(`${nodeManagerUsage} ${adminUsage} .*/anm/host-2`),
  );
  await waitUntil(async () => (await namedAdmins(domain, "host-3")).includes("host-2"), {
    deadlineMs: 10_000,
    what: "the third host knows the second as an Admin Node Manager",
  });
  expect(await runs.done(`${edit} host-2.test --is_admin 1 ${three}`)).toContain("already");

  // The first host is the last holder of the keys until they are moved.
  const last = await runs.run(`${edit} host-1.test ${three}`);
  expect(last.err).toContain("gatehouse authority move HOST");
  const atTwo = `--home ${domain.home("host-2")} --username admin --password-file password`;
  await runs.done(`gatehouse authority move host-2.test ${atTwo.replace("host-2", "host-1")}`);
  expect(privateFiles(domain, "host-2")).toContain("management-1.key.pem");
  await waitUntil(() => !privateFiles(domain, "host-1").includes("management-1.key.pem"), {
    deadlineMs: 10_000,
    what: "the first host has deleted its copies",
  });
  const areKeysAtHome = () =>
    expect
      .poll(() => strayKeys(domain, ["host-1", "host-2", "host-3"]), { timeout: 10_000 })
      .toEqual([]);
  await areKeysAtHome();
  const demoted = await runs.done(`${edit} host-1.test ${one}`);
  expect(demoted).toMatch(/Deleted there.*: the trust-signing key\./);
  expect(await presented(domain, "host-1")).toMatch(
    new RegExp(`${nodeManagerUsage} URI.*/nm/host-1`),
  );
  expect(privateFiles(domain, "host-1")).toEqual([]);
  expect(existsSync(homeLayout(domain.home("host-1")).databaseIdentity)).toBe(false);
  expect(await domain.processOf("host-1", "run/admin.json")).toBe(null);
  const log = await runs.done(`gatehouse audit list --json --limit 1000 ${atTwo}`);
  for (const action of [
    "host.promote",
    "trust-key.share",
    "authority.move",
    "authority.copy-deleted",
    "host.demote",
    "host.keys-removed",
  ])
    expect(log).toContain(action);
  await runs.refused("forbidden", `${edit} host-2.test --demote ${two}`);

  // From elsewhere, when the host says how it logs in.
  const settings = homeLayout(domain.home("host-1")).databaseSettings;
  await writeFile(settings, JSON.stringify({ passwordFile }), { mode: 0o600 });
  await waitUntil(
    async () => (await runs.run(`${edit} host-1.test --is_admin ${three}`)).status === 0,
    { deadlineMs: 30_000, what: "its Node Manager has said so" },
  );
  expect(await presented(domain, "host-1")).toContain("/anm/host-1");
  expect(await runs.done(`managedomain --topology_check ${three}`)).toMatch(/^All hold /m);

  // A Node Manager that is killed in the middle goes on where it was.
  const third = homeLayout(domain.home("host-3"));
  for (const [options, hasBegun] of [
    [`--is_admin --db_password_file ${passwordFile}`, () => existsSync(third.databaseIdentity)],
    ["--demote", async () => (await presented(domain, "host-3")).includes("/nm/")],
  ] as const) {
    const changing = runs.run(`${edit} host-3.test ${options} ${three}`);
    await waitUntil(hasBegun, { deadlineMs: 20_000, pollMs: 5, what: "the change has begun" });
    await domain.kill("host-3", "run/node.json");
    const { status, err } = await changing;
    expect(`${status} ${err}`, options).toBe("0 ");
  }
  expect(privateFiles(domain, "host-3")).toEqual([]);

  // What a host and an instance are called, and where they are reached.
  const [movedTo, adminMovedTo] = [await freePort(), await freePort()];
  await runs.done(`${edit} host-3.test --port ${movedTo} --nm_name 'Third one' ${three}`);
  await runs.done(`${edit} host-2.test --is_admin --port ${adminMovedTo} ${one}`);
  await runs.done(`managedomain --edit_group -g service --new_name front ${one}`);
  const [{ id } = { id: "" }] = instances;
  const ofFirst = `-g front -n ${id} ${one}`;
  await runs.done(`managedomain --add_tag --tag zone --value inner ${ofFirst}`);
  await runs.done(`managedomain --edit_instance --new_name APIGateway1 ${ofFirst}`);
  await runs.refused(
    "still-running",
    `managedomain --edit_instance -m ${await freePort()} ${ofFirst}`,
  );
  const tree = await runs.done(`managedomain -p ${one}`);
  expect(tree).toContain(`---Third one [nodemanager-3] (https://127.0.0.1:${movedTo})`);
  expect(tree).toMatch(/---front \[group-2\]\n.*\n.*---APIGateway1 \[instance-1\].*zone=inner/);
  for (const port of [movedTo, adminMovedTo])
    await waitUntil(() => isListening(port), { deadlineMs: 20_000, what: `${port} is taken` });

  await areKeysAtHome();
  for (const [host, mark] of nodes)
    expect(await domain.processOf(host, "run/node.json")).toEqual(mark);
  await load.stop();
  await runs.refused("still-running", `managedomain --reset ${three}`.replace(runs.login, ""));
  await domain.stopNode("host-3");
  await runs.done(`managedomain --reset ${three}`.replace(runs.login, ""));
  await runs.done(`managedomain --delete_host --host host-3.test ${one}`);
  for (const { port } of instances) {
    expect(load.at(port).failures).toEqual([]);
    expect(load.at(port).requests).toBeGreaterThan(100);
  }
});
