import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { readMark } from "../../src/transport/index.ts";
import { freePort } from "../support/free-port.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { waitUntil } from "../support/wait-until.ts";

let runs: ProgramRuns;

beforeEach(async () => {
  runs = await ProgramRuns.open();
});

describe("the documented command lines", () => {
  test("make a domain, join a host and run an instance when they are given as printed", async () => {
    const fingerprint = await runs.startDomain();
    await runs.makeToken("token", "--lifetime 10m");
    const two = runs.otherHost("two", await freePort());
    await runs.done(`managedomain -a ${two} --token_file token`);
    await runs.done("gatehouse node start --home two");
    expect(await runs.done("gatehouse node status --home two")).toContain("nodemanager-2");

    const ports = `-m ${await freePort()} -s ${await freePort()}`;
    const created = await runs.done(
      `managedomain -c -n APIGateway1 -g Group1 --home two ${runs.login} ${ports}`,
    );
    expect(created).toContain("APIGateway1 [instance-1] in group Group1 [group-2]");
    expect(created).toMatch(/Certificate for management: serial [0-9a-f]+ from management-1/);
    await runs.done("gatehouse instance start APIGateway1 --home one");
    const tree = await runs.done("managedomain -p --home one");
    expect(tree).toContain(
      `Admin Node Manager:\n|\n ---Node Manager on anm1.test [nodemanager-1] (https://127.0.0.1:${runs.adminPort})\n`,
    );
    expect(tree).toContain(
      "Groups:\n|\n ---Group1 [group-2]\n   |\n    ---APIGateway1 [instance-1] (https://127.0.0.1:",
    );
    const outside = `--home nowhere ${runs.anm} ${runs.login} --fingerprint`;
    expect(await runs.done(`managedomain -p ${outside} ${fingerprint.toUpperCase()}`)).toBe(tree);

    await runs.refused("still-running", "managedomain --delete_instance -n APIGateway1 --home one");
    await runs.done("gatehouse instance stop APIGateway1 --home one");
    await runs.done("managedomain --delete_instance -n APIGateway1 --home one");
    await runs.done("managedomain --delete_host --host two.test --home one");
    await runs.done("gatehouse node stop --home one");
    await runs.refused("not-running", "gatehouse node status --home one");
  });

  test("replace CA and certificates when --regen_certs is run on each host, and go on by the new CA", async () => {
    const fingerprint = await runs.startDomain();
    const two = runs.otherHost("two", await freePort());
    await runs.done(`managedomain -a ${two} ${runs.login} --fingerprint ${fingerprint}`);
    await runs.done("gatehouse node start --home two");
    const answered = "--waive_unmanaged 'no browsers in this test' --observe 1";
    expect(await runs.done(`managedomain --regen_certs --home one ${answered}`)).toContain(
      "Rotate the management CA: done, 2 certificates replaced",
    );
    expect(await runs.done(`managedomain --regen_certs --home two ${runs.login}`)).toContain(
      "Replace 1 leaf certificate: done",
    );
    expect(await runs.done("managedomain --regen_certs --retain_domain_cert --home one")).toContain(
      "Replace 1 leaf certificate: done",
    );
    const outside = `--home nowhere ${runs.anm} ${runs.login} --fingerprint ${fingerprint}`;
    await runs.refused("fingerprint-mismatch", `managedomain -p ${outside}`);
    expect(await runs.done("gatehouse audit verify --home one")).toContain("every link verifies");
  });

  test("keep a session for the next commands until it is ended", async () => {
    await runs.startDomain();
    await runs.done("gatehouse login --home one");
    await runs.write("password", "not the right one\n");
    expect(await runs.done("gatehouse host list --home one")).toContain("anm1.test");
    const session = JSON.parse(await readFile(runs.path("one/run/session"), "utf8")) as object;
    await runs.done("gatehouse logout --home one");
    expect(existsSync(runs.path("one/run/session"))).toBe(false);
    // The server has forgotten it too.
    await runs.write("one/run/session", JSON.stringify(session));
    await runs.refused("unauthenticated", "gatehouse host list --home one");
  });

  test("start the Node Manager again when it is killed, and stop it when its supervisor was", async () => {
    await runs.startDomain();
    const pidOf = async (name: string): Promise<number> =>
      (await readMark(runs.path(`one/run/${name}.json`)))?.pid ?? 0;
    const first = await pidOf("node");
    process.kill(first, "SIGKILL");
    const isBack = async (): Promise<boolean> =>
      (await pidOf("node")) !== first &&
      (await runs.run("gatehouse node status --home one")).status === 0;
    await waitUntil(isBack, { deadlineMs: 20_000, what: "the Node Manager is started again" });
    process.kill(await pidOf("supervisor"), "SIGKILL");
    await runs.refused("home-locked", "gatehouse node start --home one");
    await runs.done("gatehouse node stop --home one");
    await runs.done("gatehouse node start --home one");
    await runs.done("gatehouse node stop --home one");
  });
});
