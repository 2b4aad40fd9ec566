import { readdirSync, readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runWatched, type Watched } from "../support/proc-sampler.ts";
import { ProgramRuns } from "../support/program-runs.ts";

const managedomain = join(import.meta.dirname, "..", "..", "bin", "managedomain");

/** Every one is found nowhere else. */
const secrets = {
  password: "secret-password-4711",
  domain_passphrase: "secret-domain-4712",
  key_passphrase: "secret-key-4713",
  new_passphrase: "secret-new-4714",
  nm_entitystore_passphrase: "secret-host-4715",
} as const;

type Secret = keyof typeof secrets;
type Form = "file" | "exec" | "text";

function holdsSecret(text: string): boolean {
  return Object.values(secrets).some((secret) => text.includes(secret));
}

/** The option that gives a secret in a form; a password has none that runs a command. */
function option(form: Form, name: string, secret: Secret): string[] {
  if (form === "text") return [`--${name}`, secrets[secret]];
  if (form === "file" || secret === "password") return [`--${name}_file`, secret];
  return [`--${name}_exec`, `tr '\\0' '\\n' < /proc/$PPID/cmdline >> shown; cat ${secret}`];
}

/** The command lines that take a secret, in an order in which they work, on the homes of one form. */
function commandLines(form: Form, port: number): string[][] {
  const [ca, host] = [`${form}/ca`, `${form}/host`];
  const login = ["--username", "admin", ...option(form, "password", "password")];
  const place = ["--host", "one.test", "--address", "127.0.0.1", "--port", `${port}`];
  const first = (home: string): string[] => ["-i", "--home", home, ...place, ...login];
  const opened = option(form, "domain_passphrase", "new_passphrase");
  const key = option(form, "key_passphrase", "key_passphrase");
  const own = option(form, "nm_entitystore_passphrase", "nm_entitystore_passphrase");
  const csr = join(form, "one.csr");
  return [
    [...first(ca), ...option(form, "domain_passphrase", "domain_passphrase")],
    [
      "--change_domain_passphrase",
      "--home",
      ca,
      ...option(form, "old_passphrase", "domain_passphrase"),
      ...option(form, "new_passphrase", "new_passphrase"),
    ],
    [...first(host), "--sign_with_external_ca", "--csr", csr, ...key, ...own],
    ["--sign_csr", "--csr", csr, "--home", ca, ...opened],
    ["--submit_cert", "--cert", csr.replace("csr", "pem"), "--home", host, ...key, ...own],
    [
      "--edit_host",
      "--home",
      host,
      ...option(form, "old_passphrase", "nm_entitystore_passphrase"),
      ...option(form, "new_passphrase", "new_passphrase"),
    ],
  ];
}

/** Runs them all, watched, in a folder with the files of the secrets. */
async function runAll(runs: ProgramRuns, form: Form): Promise<Watched[]> {
  const watched: Watched[] = [];
  await runs.write("shown", "");
  for (const args of commandLines(form, runs.adminPort)) {
    const each = await runWatched(managedomain, args, { cwd: runs.folder });
    expect(`${each.status} ${each.err}`, args.join(" ")).toMatch(/^0 /);
    expect(each.shown.length).toBeGreaterThan(10);
    watched.push(each);
  }
  return watched;
}

/** The files below a folder that hold one of the secrets: stores with their audit logs, settings, logs. */
function filesWithSecrets(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return files
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => holdsSecret(readFileSync(path, "latin1")));
}

test("a secret that a file or a command gives is never seen in /proc, and one on the command line not once the program runs; none is written anywhere", async () => {
  const runs = await ProgramRuns.open();
  for (const form of ["file", "exec", "text"]) await mkdir(runs.path(form));
  for (const [name, secret] of Object.entries(secrets)) await runs.write(name, `${secret}\n`);
  for (const form of ["file", "exec"] as const) {
    for (const { shown } of await runAll(runs, form))
      expect(shown.filter(({ text }) => holdsSecret(text))).toEqual([]);
  }
  // Each command that gives a passphrase has looked at who asked it.
  const looks = readFileSync(runs.path("shown"), "utf8");
  expect((looks.match(/^managedomain/gm) ?? []).length).toBeGreaterThanOrEqual(6);
  expect(holdsSecret(looks)).toBe(false);

  for (const { shown, err } of await runAll(runs, "text")) {
    expect(err).toMatch(/warning: .*can be seen by others/);
    // So that what is not seen could have been seen.
    expect(shown.some(({ text }) => holdsSecret(text))).toBe(true);
    const later = shown.filter((each) => each.err.includes("warning: "));
    expect(later.length).toBeGreaterThan(10);
    expect(later.filter(({ text }) => holdsSecret(text))).toEqual([]);
  }
  for (const form of ["file", "exec", "text"])
    expect(filesWithSecrets(runs.path(form))).toEqual([]);
});
