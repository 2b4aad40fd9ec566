import { existsSync, readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import { openssl } from "../support/certificates.ts";
import { freePort } from "../support/free-port.ts";
import { superuser } from "../support/postgresql.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { testServer } from "../support/shared-store.ts";
import { waitUntil } from "../support/wait-until.ts";

const homes = ["one", "two", "three"] as const;
const processesOf = {
  one: ["nodemanager-1"],
  two: ["nodemanager-2"],
  three: ["nodemanager-3", "instance-1"],
} as const;

/** One documented way of signing: what a command line says, and what brings its certificate then. */
interface Way {
  readonly options: string;
  /** Prepares what signs. */
  readonly prepare: (runs: ProgramRuns) => Promise<void>;
  /** After a command that left requests of these processes behind. */
  readonly bring: (runs: ProgramRuns, processes: readonly string[], home: string) => Promise<void>;
}

const nothing = async (): Promise<void> => {};

const ways: Readonly<Record<string, Way>> = {
  "the system-generated CA": {
    options: "--sign_with_generated",
    prepare: nothing,
    bring: nothing,
  },
  "a CA that the user provides": {
    options: "--sign_with_user_provided --ca=test.p12 --domain_passphrase_file p12-passphrase",
    async prepare(runs) {
      await runs.write("p12-passphrase", "foo\n");
      const [key, pem] = [runs.path("qa.key"), runs.path("qa.pem")];
      const usages = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
      const extensions = usages.flatMap((usage) => ["-addext", usage]);
      const made = ["-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/O=QA/CN=QA CA"];
      openssl(["req", "-x509", ...made, "-days", "3000", ...extensions, "-out", pem]);
      const file = ["-passout", "pass:foo", "-out", runs.path("test.p12")];
      openssl(["pkcs12", "-export", "-inkey", key, "-in", pem, ...file]);
    },
    bring: nothing,
  },
  "an isolated installation as the external CA": {
    options: "--sign_with_external_ca",
    async prepare(runs) {
      await runs.done(`managedomain -i --home ca --host ca.test ${runs.login}`);
    },
    async bring(runs, processes, home) {
      for (const process of processes) {
        await runs.done(`managedomain --sign_csr --csr ${process}.csr --home ca`);
        await runs.done(
          `managedomain --submit_cert --cert ${process}.pem --home ${home} ${runs.login}`,
        );
      }
    },
  },
};

/**
 * The command lines of the documented page, in its order, for one way of signing. What it does by
 * hand between them, copying files and rebooting, is not there.
 */
test.each(Object.entries(ways))("every documented command, signed by %s", async (_name, way) => {
  const server = await testServer();
  const runs = await ProgramRuns.open();
  await way.prepare(runs);

  await runs.done(`managedomain -i ${runs.firstHost} ${way.options}`);
  await way.bring(runs, ["nodemanager-1"], "one");
  const props = `username=admin\npassword_file=${runs.path("password")}\n`;
  await runs.write("one/conf/managedomain.props", props);
  await runs.done("gatehouse node start --home one");
  await runs.write("database-password", `${server.password}\n`);
  const url = `postgresql://${superuser}@127.0.0.1:${server.port}/${await server.createDatabase()}?sslmode=disable`;
  await runs.done(
    `gatehouse store migrate --home one --to ${url} --db-password-file database-password`,
  );
  for (const [i, home] of ["two", "three"].entries()) {
    await runs.makeToken("token");
    const host = runs.otherHost(home, await freePort());
    await runs.done(`managedomain -a ${way.options} ${host} --token_file token`);
    await way.bring(runs, [`nodemanager-${i + 2}`], home);
    await runs.write(`${home}/conf/managedomain.props`, props);
    await runs.done(`gatehouse node start --home ${home}`);
  }

  const ports = `-m ${await freePort()} -s ${await freePort()}`;
  const create = `managedomain -c -n APIGateway1 -g Group1 --host three.test ${ports}`;
  await runs.done(`${create} ${way.options} --home three`);
  await way.bring(runs, ["instance-1"], "three");
  await runs.done("gatehouse instance start APIGateway1 --home three");

  const edit = `managedomain --edit_host --host two.test ${way.options} --home two`;
  await runs.done(`${edit} --is_admin --db_password_file database-password`);
  await way.bring(runs, ["nodemanager-2"], "one");
  await runs.done("gatehouse instance stop APIGateway1 --home three");
  await runs.done("gatehouse instance start APIGateway1 --home three");
  await runs.done(edit);
  await way.bring(runs, ["nodemanager-2"], "one");

  for (const home of homes) {
    await runs.done(
      `managedomain --regen_certs ${way.options} --home ${home} --observe 1 --waive_unmanaged test`,
    );
    await way.bring(runs, processesOf[home], home);
    await waitUntil(
      async () => !/running/.test(await runs.done("gatehouse rollout list --home one")),
      {
        deadlineMs: 30_000,
        what: "every certificate of the host is replaced",
      },
    );
  }

  for (const home of homes) await verifyAll(runs, home);
  const { out } = await runs.run("gatehouse credentials --home one");
  expect(out).not.toMatch(/management .* no *$/m);
  expect(await runs.done("gatehouse audit verify --home one")).toContain("every link verifies");
});

/** What a host presents verifies under the CA that it shows; keys that were temporary are gone. */
async function verifyAll(runs: ProgramRuns, home: string): Promise<void> {
  const { nodeCredential, temporaryKeys } = homeLayout(runs.path(home));
  const certificate = `${nodeCredential}/current/certificate.pem`;
  const ca = homeLayout(runs.path("one")).domainCertificate;
  expect(openssl(["verify", "-CAfile", ca, certificate])).toContain("OK");
  expect(existsSync(temporaryKeys) ? readdirSync(temporaryKeys) : []).toEqual([]);
}
