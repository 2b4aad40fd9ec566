import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isAlive, readMark } from "../../src/transport/index.ts";
import type { GroupId } from "../../src/kit/index.ts";
import { freePort } from "../support/free-port.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { waitUntil } from "../support/wait-until.ts";

const deadlineMs = 30_000;
const credential = "conf/fed/credential";

/** Opens a key file; throws for another passphrase. */
function openssl(path: string, passphrase: string): void {
  execFileSync("openssl", ["pkey", "-in", path, "-passin", `pass:${passphrase}`, "-noout"]);
}

/** Every key file of a credential; each has to be opened by the passphrase, and by OpenSSL. */
function expectEncrypted(folder: string, passphrase: string): string[] {
  const generations = readdirSync(join(folder, "generations"));
  for (const generation of generations) {
    const path = join(folder, "generations", generation, "key.pem");
    expect(readFileSync(path, "utf8")).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/);
    openssl(path, passphrase);
  }
  return generations;
}

test("the keys of a Node Manager lie under its passphrase, which it finds at every start and which is changed while it runs", async () => {
  const runs = await ProgramRuns.open();
  for (const name of ["first", "second"]) await runs.write(name, `the ${name}\n`);
  const folder = runs.path(join("one", credential));
  await runs.done(
    `managedomain -i ${runs.firstHost} --nm_entitystore_passphrase_file ${runs.path("first")}`,
  );
  expectEncrypted(folder, "the first");
  await runs.write(
    "one/conf/managedomain.props",
    `username=admin\npassword_file=${runs.path("password")}\n`,
  );
  await runs.done("gatehouse node start --home one");

  // Killed, it comes back; its Admin Node Manager, which has the same key, goes on.
  const nodeMark = () => readMark(runs.path("one/run/node.json"));
  const killed = await nodeMark();
  process.kill(killed?.pid ?? 0, "SIGKILL");
  await waitUntil(
    async () => {
      const mark = await nodeMark();
      return mark !== null && mark.pid !== killed?.pid && (await isAlive(mark));
    },
    { deadlineMs, what: "the Node Manager is there again" },
  );

  const edit = "managedomain --edit_host --home one";
  await runs.refused(
    "forbidden",
    `${edit} --old_passphrase_file second --new_passphrase_file second`,
  );
  expectEncrypted(folder, "the first");
  await runs.done(`${edit} --old_passphrase_file first --new_passphrase_file second`);
  expectEncrypted(folder, "the second");

  const before = readdirSync(join(folder, "generations")).length;
  await runs.done("managedomain --regen_certs --retain_domain_cert --home one");
  expect(expectEncrypted(folder, "the second").length).toBeGreaterThan(before);
  await runs.done("gatehouse node stop --home one");
  await runs.done("gatehouse node start --home one");

  const [management, services] = [await freePort(), await freePort()];
  for (const name of ["third", "fourth"]) await runs.write(name, `the ${name}\n`);
  await runs.done(
    `managedomain -c -n GW1 -g Group1 --home one -m ${management} -s ${services} --passphrase_file third`,
  );
  await runs.done("gatehouse instance start GW1 --home one");
  const changeGroup = "managedomain --change_passphrase --group Group1 --home one";
  await runs.refused("forbidden", `${changeGroup} --new_passphrase_file fourth`);
  await runs.done(`${changeGroup} --old_passphrase_file third --new_passphrase_file fourth`);
  expectEncrypted(
    runs.path("one/groups/group-2/instance-1/conf/credentials/traffic"),
    "the fourth",
  );
  const secrets = /the (first|second|third|fourth)/;
  const processes = ["run/node", "run/admin", "groups/group-2/instance-1/run/instance"];
  for (const name of processes) {
    const pid = (await readMark(runs.path(`one/${name}.json`)))?.pid ?? 0;
    for (const file of ["cmdline", "environ"])
      expect(readFileSync(`/proc/${pid}/${file}`, "latin1")).not.toMatch(secrets);
  }
  const files = readdirSync(runs.path("one"), { recursive: true, withFileTypes: true });
  for (const file of files.filter((each) => each.isFile()))
    expect(readFileSync(join(file.parentPath, file.name), "latin1"), file.name).not.toMatch(
      secrets,
    );

  // A host whose passphrase nobody but a person knows.
  await runs.makeToken("token");
  const port = await freePort();
  await runs.done(
    `managedomain -a ${runs.otherHost("two", port)} --token_file token --nm_entitystore_pass typed`,
  );
  expectEncrypted(runs.path(join("two", credential)), "typed");
  await runs.refused("unauthenticated", "gatehouse node start --home two");
  const source = { passphraseFile: runs.path("first") };
  await runs.write("two/conf/entity-store.json", JSON.stringify(source));
  await runs.refused("unauthenticated", "gatehouse node start --home two");
  await runs.write("first", "typed\n");
  await runs.done("gatehouse node start --home two");
});

test("a key of an instance waits for its certificate under --key_passphrase, and then lies under the passphrase of its group", async () => {
  const runs = await ProgramRuns.open();
  for (const name of ["host", "key", "group"]) await runs.write(name, `of the ${name}\n`);
  const place = `--host ca.test --address 127.0.0.1 --port ${await freePort()}`;
  await runs.done(`managedomain -i --home ca ${place} ${runs.login}`);
  const own = "--nm_entitystore_passphrase_file host";
  await runs.done(`managedomain -i ${runs.firstHost} ${own} --sign_with_external_ca --csr one.csr`);
  const temporary = runs.path("one/groups/certs/private/temp");
  const opensWith = (process: string, passphrase: string): void =>
    openssl(join(temporary, process, "key.pem"), `of the ${passphrase}`);
  opensWith("nodemanager-1", "host");
  await runs.done("managedomain --sign_csr --csr one.csr --home ca");
  const ca = runs.path("ca/groups/certs/domaincert.pem");
  await runs.done(`managedomain --submit_cert --cert one.pem --ca ${ca} --home one`);
  await runs.write(
    "one/conf/managedomain.props",
    `username=admin\npassword_file=${runs.path("password")}\n`,
  );
  await runs.done("gatehouse node start --home one");
  const ports = `-m ${await freePort()} -s ${await freePort()}`;
  await runs.done(
    `managedomain -c -n GW1 -g Group1 --home one ${ports} --passphrase_file group --key_passphrase_file key --csr gw.csr`,
  );
  opensWith("instance-1", "key");
  await runs.done("managedomain --sign_csr --csr gw.csr --home ca");
  await runs.done("managedomain --submit_cert --cert gw.pem --home one");
  await waitUntil(() => readdirSync(temporary).length === 0, {
    deadlineMs,
    what: "the key waits no more",
  });
  const folder = runs.path("one/groups/group-2/instance-1/conf/credentials/management");
  expectEncrypted(folder, "of the group");
});

test("the passphrase of a group is changed on all hosts under load, through kills and for a host that is away, and instances start by it with nobody to ask", async () => {
  const domain = await LiveDomain.start(2);
  const one = await domain.addInstance("host-1");
  const two = await domain.addInstance("host-2");
  const group = "group-2" as GroupId;
  const load = await LiveLoad.start(domain, [one.port, two.port]);
  const change = (old: string, next: string): Promise<unknown> =>
    domain.call("changeGroupPassphrase", { params: { id: group }, body: { old, new: next } });
  const current = async (): Promise<string[]> =>
    (await domain.call("getGroupPassphrase", { params: { id: group } })).hosts
      .filter(({ isCurrent }) => isCurrent)
      .map(({ name }) => name);
  const waitFor = (hosts: string): Promise<unknown> =>
    waitUntil(async () => (await current()).toSorted().join() === hosts, {
      deadlineMs,
      what: `the keys are under the present passphrase on ${hosts}`,
    });
  // Where the documentation has the keys.
  const folder = (host: string, id: string, usage: string): string =>
    join(domain.home(host), "groups", group, id, "conf", "credentials", usage);
  const expectAll = (passphrase: string): void => {
    for (const usage of ["management", "traffic"]) {
      expectEncrypted(folder("host-1", one.id, usage), passphrase);
      expectEncrypted(folder("host-2", two.id, usage), passphrase);
    }
  };

  await domain.stopNode("host-2");
  await change("", "first");
  await waitFor("host-1.test");
  expectEncrypted(folder("host-1", one.id, "traffic"), "first");
  await expect(change("wrong", "other")).rejects.toMatchObject({ code: "forbidden" });
  await domain.startNode("host-2");
  await waitFor("host-1.test,host-2.test");
  expectAll("first");

  await change("first", "second");
  await domain.kill("host-2", "run/node.json");
  await waitFor("host-1.test,host-2.test");
  expectAll("second");
  const replaced = await domain.follow(
    await domain.roll({ kind: "replace-leaves", credentials: null }),
  );
  expect(replaced.rollout.status).toBe("completed");
  expectAll("second");
  await load.stop();
  for (const { port } of [one, two]) {
    expect(load.at(port).requests).toBeGreaterThan(100);
    expect(load.at(port).failures).toEqual([]);
  }

  await domain.cutPower("host-1");
  await domain.cutPower("host-2");
  await domain.startNode("host-2");
  const runFile = `groups/${group}/${two.id}/run/instance.json`;
  await waitUntil(async () => (await domain.processOf("host-2", runFile)) !== null, {
    deadlineMs,
    what: "the instance serves with no Admin Node Manager",
  });
});
