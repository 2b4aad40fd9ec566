import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { RouteResponse } from "../../src/contract/index.ts";
import { homeLayout } from "../../src/domain/index.ts";
import { openssl } from "../support/certificates.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");
const hosts = ["host-1", "host-2"] as const;

/** A CA of OpenSSL's: key, certificate and PKCS#12 file. */
function makeCa(folder: string, name: string): string {
  const path = join(folder, name);
  const extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"];
  const added = extensions.flatMap((extension) => ["-addext", extension]);
  const made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", `/CN=${name}`];
  openssl([...made, "-days", "900", ...added, "-keyout", `${path}.key`, "-out", `${path}.pem`]);
  const keys = ["-inkey", `${path}.key`, "-in", `${path}.pem`, "-passout", "pass:of the file"];
  openssl(["pkcs12", "-export", ...keys, "-out", `${path}.p12`]);
  return path;
}

test("every host gets certificates of a CA that all trust while no Admin Node Manager runs, and the inventory has them when it is back, with no failed request", async () => {
  const domain = await LiveDomain.start(2);
  const gateways = [await domain.addInstance("host-1"), await domain.addInstance("host-2")];
  const load = await LiveLoad.start(
    domain,
    gateways.map(({ port }) => port),
  );
  const folder = await tempFolder();
  await writeFile(join(folder, "password"), `${password}\n`);
  await writeFile(join(folder, "p12pass"), "of the file\n");
  const login = ["--username", "admin", "--password-file", join(folder, "password")];
  const run = (program: string, host: string, ...args: readonly string[]) =>
    promisify(execFile)(join(bin, program), [...args, "--home", domain.home(host)], {
      cwd: folder,
    });
  // With a CA of the domain's own: nobody can sign now, and what is wanted is recorded.
  await loseAdmin(domain);
  await expect(run("managedomain", "host-2", "--regen_certs")).rejects.toMatchObject({ code: 30 });
  const asked = ["--regen_certs", "--observe", "1", "--waive_unmanaged", "a test"];
  const { stdout } = await run("managedomain", "host-1", ...asked);
  expect(stdout).toMatch(/^Rotate the management CA is recorded/);
  await bringBack(domain);
  await waitUntil(
    async () => (await domain.call("listRollouts")).rollouts[0]?.rollout.status === "completed",
    { deadlineMs: 60_000, what: "what was recorded is done" },
  );

  const change = (...way: readonly string[]) => {
    const rest = ["--start", "--follow", "--observe", "1", "--waive-unmanaged", "a test"];
    return run("gatehouse", "host-1", "plan", "change-signing", ...way, ...rest, ...login);
  };
  const corp = makeCa(folder, "corp");
  const passphrase = ["--passphrase-file", join(folder, "p12pass")];
  await change("provided", "--ca", `${corp}.p12`, ...passphrase);

  const regenerate = (host: string, path: string) => {
    const file = ["--ca", `${path}.p12`, "--domain_passphrase_file", join(folder, "p12pass")];
    return run("managedomain", host, "--regen_certs", "--sign_with_user_provided", ...file);
  };
  const before = await serials(domain);
  await loseAdmin(domain);
  await expect(regenerate("host-2", makeCa(folder, "stranger"))).rejects.toMatchObject({
    code: 33,
    stderr: expect.stringMatching(
      /CN=stranger is not trusted by 127\.0\.0\.1 \(host-1\)/,
    ) as string,
  });
  for (const host of ["host-2", "host-1"]) {
    const { stdout } = await regenerate(host, corp);
    expect(stdout).toMatch(/2 certificates of this host replaced without one/);
  }
  // The Node Manager that runs presents them already.
  const shown = await serials(domain);
  for (const [process, serial] of before) expect(shown.get(process)).not.toBe(serial);
  await bringBack(domain);
  await expectKnown(domain, shown);

  const elsewhere = makeCa(folder, "elsewhere");
  const changed = change("external", "--ca", `${elsewhere}.pem`);
  await waitUntil(
    async () => (await domain.call("listSigningRequests")).requests.length === before.size,
    { deadlineMs: 60_000, what: "every host has made its requests" },
  );
  await run("gatehouse", "host-1", "signing", "export", "out", ...login);
  const signed = (request: string): string => {
    const of = ["-CA", `${elsewhere}.pem`, "-CAkey", `${elsewhere}.key`, "-CAcreateserial"];
    const out = ["-copy_extensions", "copyall", "-days", "400", "-out", `${request}.pem`];
    openssl(["x509", "-req", "-in", request, ...of, ...out]);
    return `${request}.pem`;
  };
  const exported = [...before.keys()].map((id) => join(folder, "out", `${id}-management.csr`));
  await run("gatehouse", "host-1", "signing", "submit", ...exported.map(signed), ...login);
  await changed;

  await loseAdmin(domain);
  const second = await serials(domain);
  for (const host of ["host-1", "host-2"]) {
    const { stdout } = await run("managedomain", host, "--regen_certs", "--sign_with_external_ca");
    expect(stdout).toContain("these requests are for the present keys");
  }
  const requests = new Map([...before.keys()].map((id) => [id, signed(join(folder, `${id}.csr`))]));
  const ownOf = (host: string) => [...second.keys()].filter((id) => hostOf(id) === host);
  for (const host of ["host-2", "host-1"])
    for (const id of ownOf(host))
      await run("managedomain", host, "--submit_cert", "--cert", requests.get(id) ?? "");
  const third = await serials(domain);
  for (const [process, serial] of second) expect(third.get(process)).not.toBe(serial);
  await bringBack(domain);
  await expectKnown(domain, third);

  await load.stop();
  for (const { port } of gateways) {
    expect(load.at(port).failures).toEqual([]);
    expect(load.at(port).requests).toBeGreaterThan(100);
  }
}, 240_000);

/** What is on which host, by the order of their making. */
function hostOf(id: string): (typeof hosts)[number] {
  return id.endsWith("-1") ? "host-1" : "host-2";
}

/** The management certificate that each process presents, by what its host has as its own. */
async function serials(domain: LiveDomain): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const host of hosts) {
    const layout = homeLayout(domain.home(host));
    const desired = JSON.parse(await readFile(layout.desiredState, "utf8")) as {
      instances: { id: string; groupId: string }[];
      credentials: { process: string; usage: string }[];
    };
    for (const { process, usage } of desired.credentials) {
      if (usage !== "management") continue;
      const instance = desired.instances.find(({ id }) => id === process);
      const credential =
        instance === undefined
          ? layout.nodeCredential
          : layout.instance(instance.groupId as never, process as never).credential("management");
      const meta = JSON.parse(await readFile(`${credential}/current/meta.json`, "utf8")) as {
        serial: string;
      };
      found.set(process, meta.serial);
    }
  }
  return found;
}

const pageAfter = (after: string) => ({ query: { after, limit: 500 } as never });

/** Nothing of the control plane runs on its host; gateways and the other host's Node Manager go on. */
async function loseAdmin(domain: LiveDomain): Promise<void> {
  await domain.stopNode("host-1");
  await domain.kill("host-1", "run/admin.json");
}

async function bringBack(domain: LiveDomain): Promise<void> {
  await domain.startNode("host-1");
  const answers = () =>
    domain.call("getTopology").then(
      () => true,
      () => false,
    );
  await waitUntil(answers, { deadlineMs: 60_000, what: "it answers again" });
}

/** Inventory and audit log have each certificate, and it was seen on the wire. */
async function expectKnown(domain: LiveDomain, shown: ReadonlyMap<string, string>): Promise<void> {
  await waitUntil(
    async () => {
      const { credentials } = await domain.call("listCredentials");
      return [...shown].every(([process, serial]) =>
        credentials.some(
          (each) =>
            each.id === `${process}/management` && each.installedSerial === serial && each.onWire,
        ),
      );
    },
    { deadlineMs: 60_000, what: "each certificate is seen on the wire" },
  );
  const merged = new Set<unknown>();
  const issued = new Set<string>();
  for (let after = ""; ;) {
    const page: RouteResponse<"listAudit"> = await domain.call("listAudit", pageAfter(after));
    for (const { action, detail } of page.records)
      if (action === "certificate.merge") merged.add(detail["serial"]);
    if (page.records.length === 0) break;
    after = page.next;
  }
  for (let after = ""; ;) {
    const page: RouteResponse<"listIssuances"> = await domain.call(
      "listIssuances",
      pageAfter(after),
    );
    for (const { serial } of page.issuances) issued.add(serial);
    if (page.issuances.length === 0) break;
    after = page.next;
  }
  for (const serial of shown.values()) {
    expect(issued, serial).toContain(serial);
    expect(merged, serial).toContain(serial);
  }
  const { findings } = await domain.call("listFindings");
  expect(findings.filter(({ code }) => code.startsWith("local-"))).toEqual([]);
  expect((await domain.call("verifyAudit")).ok).toBe(true);
}
