import { execFile } from "node:child_process";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { errorCodes } from "../../src/kit/index.ts";
import { openssl } from "../support/certificates.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { strayKeys } from "../support/private-keys.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");
const deadlineMs = 60_000;

interface Ca {
  readonly key: string;
  readonly certificate: string;
}

/** A CA of OpenSSL's: a root, or below one. */
function makeCa(folder: string, name: string, above?: Ca): Ca {
  const file = (suffix: string): string => join(folder, `${name}.${suffix}`);
  const ca = { key: file("key"), certificate: file("pem") };
  const extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
  const added = extensions.flatMap((extension) => ["-addext", extension]);
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", ca.key];
  const signer = above === undefined ? [] : ["-CA", above.certificate, "-CAkey", above.key];
  openssl([
    "req",
    "-x509",
    ...key,
    "-subj",
    `/CN=${name}`,
    "-days",
    "900",
    ...added,
    ...signer,
    "-out",
    ca.certificate,
  ]);
  return ca;
}

/** Signs as an external CA does that copies what a request asks for. */
function signAll(ca: Ca, from: string, names: readonly string[], to: string): void {
  for (const name of names) {
    const signer = ["-CA", ca.certificate, "-CAkey", ca.key, "-CAcreateserial", "-days", "400"];
    const out = ["-copy_extensions", "copyall", "-out", join(to, `${name}.pem`)];
    openssl(["x509", "-req", "-in", join(from, name), ...signer, ...out]);
  }
}

test("a domain goes from its own CA to a user's, to an external one and back under load, with one current authority at every moment", async () => {
  const domain = await LiveDomain.start(2);
  const gateways = [await domain.addInstance("host-1"), await domain.addInstance("host-2")];
  const load = await LiveLoad.start(
    domain,
    gateways.map(({ port }) => port),
  );
  const folder = await tempFolder();
  const file = (name: string): string => join(folder, name);
  await writeFile(file("password"), `${password}\n`);
  await writeFile(file("p12pass"), "of the file\n");
  const user = [
    "--home",
    domain.home("host-1"),
    "--username",
    "admin",
    "--password-file",
    file("password"),
  ];
  const run = (...args: readonly string[]) =>
    promisify(execFile)(join(bin, "gatehouse"), [...args, ...user]);

  const current = new Set<number>();
  let isWatching = true;
  const watching = (async () => {
    while (isWatching) {
      const { authorities } = await domain.call("listAuthorities");
      const management = authorities.filter(({ usage }) => usage === "management");
      current.add(management.filter(({ status }) => status === "current").length);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  })();
  const change = ["--start", "--follow", "--observe", "1", "--waive-unmanaged", "a test"];
  const plan = (way: string, ...args: readonly string[]) =>
    run("plan", "change-signing", way, ...args, ...change);

  const root = makeCa(folder, "root");
  const providedBy = (name: string): string[] => {
    const { key, certificate } = makeCa(folder, name, root);
    const p12 = ["-inkey", key, "-in", certificate, "-certfile", root.certificate];
    const out = ["-passout", "pass:of the file", "-out", file(`${name}.p12`)];
    openssl(["pkcs12", "-export", "-legacy", ...p12, ...out]);
    return ["--ca", file(`${name}.p12`), "--passphrase-file", file("p12pass")];
  };
  const provided = providedBy("issuing");
  // Once as far as it can be taken back: nobody is asked for certificates of it any more.
  const abandoned = run(
    "plan",
    "change-signing",
    "provided",
    ...provided,
    ...change,
    "--observe",
    "600",
  ).catch(({ code }: { code: number }) => code);
  const phase = async () => (await domain.call("listRollouts")).rollouts[0]?.phase;
  await waitUntil(async () => (await phase()) === "observe", {
    deadlineMs,
    what: "it is observed",
  });
  await run("rollout", "rollback");
  expect(await abandoned).toBe(errorCodes.conflict.exit);
  expect((await domain.call("listSigningRequests")).requests).toEqual([]);
  expect((await chain(domain)).every(({ authorityId }) => authorityId === "management-1")).toBe(
    true,
  );
  await plan("provided", ...provided);
  await expect(plan("provided", ...provided)).rejects.toMatchObject({
    code: 43,
    stderr: expect.stringContaining("is trusted here already") as string,
  });
  expect((await chain(domain)).every(({ authorityId }) => authorityId === "management-3")).toBe(
    true,
  );

  const { stdout: shown } = await plan("provided", ...providedBy("next"));
  expect(shown).toMatch(/CA management-3 by management-5 \(CN=root; signed by CN=next below it\)/);
  expect((await chain(domain)).every(({ authorityId }) => authorityId === "management-5")).toBe(
    true,
  );

  const external = makeCa(folder, "external");
  const changed = plan("external", "--ca", external.certificate);
  const waiting = async () => (await domain.call("listSigningRequests")).requests;
  const wanted = (await chain(domain)).length;
  await waitUntil(async () => (await waiting()).length === wanted, {
    deadlineMs,
    what: "every host has made its requests",
  });
  await run("signing", "export", file("out"));
  const requests = (await readdir(file("out"))).filter((name) => name.endsWith(".csr"));
  expect(requests).toHaveLength(wanted);
  for (const name of ["strange", "in"]) await mkdir(file(name));
  // Another CA of the same name first: nothing of it is taken.
  signAll(makeCa(file("strange"), "external"), file("out"), requests, file("strange"));
  await expect(run("signing", "submit", file("strange"))).rejects.toMatchObject({
    code: 48,
    stdout: expect.stringMatching(/refused .*\n.*wanted.*\n.*chain/) as string,
  });
  // Half of them, then the rest.
  signAll(external, file("out"), requests, file("in"));
  const [first = "", ...others] = requests.map((name) => join(file("in"), `${name}.pem`));
  await run("signing", "submit", first);
  await run("signing", "submit", ...others);
  await changed;
  expect((await chain(domain)).every(({ authorityId }) => authorityId === "management-6")).toBe(
    true,
  );

  const areKeysAtHome = () =>
    expect.poll(() => strayKeys(domain, ["host-1", "host-2"]), { timeout: 10_000 }).toEqual([]);
  await areKeysAtHome();
  await plan("generated");
  await areKeysAtHome();
  isWatching = false;
  await watching;
  expect([...current]).toEqual([1]);
  expect((await chain(domain)).every(({ authorityId }) => authorityId === "management-7")).toBe(
    true,
  );
  await load.stop();
  for (const { port } of gateways) {
    expect(load.at(port).failures).toEqual([]);
    expect(load.at(port).requests).toBeGreaterThan(100);
  }
  const { ok } = await domain.call("verifyAudit");
  expect(ok).toBe(true);
});

/** The management credentials, all seen on the wire. */
async function chain(domain: LiveDomain) {
  const { credentials } = await domain.call("listCredentials");
  const management = credentials.filter(({ usage }) => usage === "management");
  expect(management.every(({ onWire }) => onWire)).toBe(true);
  return management;
}
