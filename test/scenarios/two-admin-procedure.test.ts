import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { errorCodes } from "../../src/kit/index.ts";
import { freePort } from "../support/free-port.ts";
import { superuser } from "../support/postgresql.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

/**
 * The documented procedure for two Admin Node Managers, command by command. In place of the files
 * that it copies by hand stand the two commands that its refusal and the findings name. The password of the
 * database is a wrong one first.
 */
test("two Admin Node Managers as documented; the first host is destroyed, and a gateway added through the second", async () => {
  const server = await testServer();
  const runs = await ProgramRuns.open();
  const [second, third] = [await freePort(), await freePort()];
  const fingerprint = await runs.startDomain();

  const login = `${runs.login} --fingerprint ${fingerprint}`;
  await runs.done(
    `managedomain -a --sign_with_generated ${runs.otherHost("two", second)} ${login}`,
  );
  await runs.done("gatehouse node start --home two");
  const makeAdmin = `managedomain --edit_host --host two.test --is_admin --home two ${runs.login}`;
  const refused = await runs.run(makeAdmin);
  expect(refused.err).toContain("gatehouse store migrate --to URL");
  await runs.write("database-password", `${server.password}\n`);
  const url = `postgresql://${superuser}@127.0.0.1:${server.port}/${await server.createDatabase()}?sslmode=disable`;
  await runs.done(
    `gatehouse store migrate --home one --to ${url} --db-password-file database-password`,
  );
  await runs.write("two-password", "another\n");
  const promoted = await runs.run(`${makeAdmin} --db_password_file two-password`);
  expect(`${promoted.status} ${promoted.err}`).toMatch(
    /^31 managedomain: host two.test [^\n]+refuses the password[^\n]+conf\/database.json[^\n]+\n$/,
  );
  await waitUntil(
    async () => /admin-silent +host-2 /.test(await runs.done("gatehouse findings --home one")),
    { deadlineMs: 20_000, what: "the second one is named, as it cannot log in" },
  );
  expect(await runs.done("gatehouse findings --home one")).toContain("one-admin");
  expect(await readFile(runs.path("two/logs/admin.log"), "utf8")).toContain("refuses the password");
  await runs.write("two-password", `${server.password}\n`);
  expect(await runs.done("gatehouse findings --home one")).toContain(
    "gatehouse authority share HOST",
  );
  await runs.done("gatehouse authority share two.test --home one");
  const addHost = `managedomain -a --sign_with_generated ${runs.otherHost("three", third)}`;
  await runs.makeToken("token");
  await runs.refused(
    "fingerprint-mismatch",
    `${addHost} --token_file token --fingerprint ${"0".repeat(64)}`,
  );
  await runs.done(`${addHost} --token_file token --fingerprint ${fingerprint}`);
  await runs.done("gatehouse node start --home three");
  const synchronized = await runs.done("managedomain --topology_synch --home one");
  expect(synchronized).toMatch(/^All hold version \d+ and trust epoch \d+\.$/m);
  expect(synchronized).toMatch(/^anm1\.test +nodemanager-1 \(Admin Node Manager\) .* leads$/m);
  await runs.done("managedomain --topology_check --home one");
  expect(await runs.done("managedomain --topology_compare --home one")).toBe("No differences.\n");
  expect(await runs.done("managedomain --topology_merge --home one")).toMatch(/^Nothing to merge/);
  await waitUntil(
    async () =>
      !/one-key-holder|one-admin|admin-silent/.test(
        await runs.done("gatehouse findings --home one"),
      ),
    { deadlineMs: 30_000, what: "the second one has the keys" },
  );

  await runs.destroy("one");
  const ports = `-m ${await freePort()} -s ${await freePort()}`;
  const asSecond = `--home two ${runs.login}`;
  await runs.done(
    `managedomain -c -n APIGateway1 -g Group1 --host three.test ${ports} ${asSecond}`,
  );
  await runs.done(
    "gatehouse instance start APIGateway1 --home two --username admin --password-file password",
  );
  const alone = await runs.run(`managedomain --topology_check ${asSecond}`);
  expect(alone.err).toMatch(/^managedomain: not everybody holds version \d+ .*: anm1\.test;/);
  await runs.done(`managedomain --delete_host --host anm1.test ${asSecond}`);
  await runs.done(`managedomain --topology_synch ${asSecond}`);

  await server.stop("SIGQUIT");
  const last = await waitUntil(
    async () => {
      const shown = await runs.run(`managedomain -p ${asSecond}`);
      return shown.status === 0 ? shown : null;
    },
    { deadlineMs: 30_000, what: "it shows what it knew last" },
  );
  expect(last?.err).toMatch(/^warning: .* cannot reach its store: it shows what it knew at /);
  expect(last?.out).toContain("APIGateway1 [instance-1]");
  const cutOff = await runs.run(`managedomain --topology_check ${asSecond}`);
  expect(cutOff.out).toMatch(/cut off from the store, shows /);
  const change = await runs.run(`managedomain --delete_instance -n APIGateway1 ${asSecond}`);
  expect(change.status).toBe(errorCodes["store-unavailable"].exit);
  expect(change.err).toMatch(/^managedomain: no server of the database takes writes: /m);

  // Without the database the host is managed as far as it can be, also by who starts it now.
  await runs.done("gatehouse node stop --home two");
  const started = await runs.run("gatehouse node start --home two");
  expect(started.status).toBe(0);
  expect(started.err).toMatch(/does not serve yet, and tries on: no server of the database/);
  await server.start();
  await waitUntil(async () => (await runs.run(`managedomain -p ${asSecond}`)).err === "", {
    deadlineMs: 40_000,
    what: "all is well when the database is back",
  });
});
