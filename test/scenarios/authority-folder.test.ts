import { execFile } from "node:child_process";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { homeLayout } from "../../src/domain/index.ts";
import type { HostId } from "../../src/kit/index.ts";
import { openssl, testRequest } from "../support/certificates.ts";
import { generateKeyPair } from "../../src/keys/index.ts";
import { encodePem } from "../../src/pki/index.ts";
import { LiveDomain, password } from "../support/live-domain.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { tempFolder } from "../support/temp-folder.ts";
import { waitUntil } from "../support/wait-until.ts";

const bin = join(import.meta.dirname, "..", "..", "bin");
const deadlineMs = 30_000;

async function serialsOf(domain: LiveDomain): Promise<string[]> {
  const { issuances } = await domain.call("listIssuances");
  return issuances.map(({ serial }) => serial);
}

test("openssl ca signs with our folder, --sign_csr through the Admin Node Manager that runs, and a backup one takes the five files that are copied to it without a restart", async () => {
  const domain = await LiveDomain.start(1);
  const login = await moveStoreTo(domain, [await testServer()]);
  const folder = await tempFolder();
  const file = (name: string): string => join(folder, name);
  const request = testRequest(await generateKeyPair("ecdsa-p256"));
  await writeFile(file("nm.csr"), encodePem("CERTIFICATE REQUEST", request.der));
  const layout = homeLayout(domain.home("host-1"));

  const out = ["-in", file("nm.csr"), "-out", file("by-openssl.pem")];
  openssl(["ca", "-config", layout.opensslConfig, "-preserveDN", "-batch", "-notext", ...out]);
  const shown = openssl(["x509", "-in", file("by-openssl.pem"), "-noout", "-serial"]);
  const serial = shown.trim().slice("serial=".length).toLowerCase();
  await waitUntil(async () => (await serialsOf(domain)).includes(serial), {
    deadlineMs,
    what: "what openssl signed is in the inventory",
  });
  await waitUntil(
    async () =>
      (await domain.call("listFindings")).findings.some(({ code }) => code === "signed-by-others"),
    { deadlineMs, what: "it is a finding" },
  );

  await writeFile(file("password"), `${password}\n`);
  const { stdout } = await promisify(execFile)(join(bin, "managedomain"), [
    "--sign_csr",
    "--csr",
    file("nm.csr"),
    "--home",
    domain.home("host-1"),
    "--username",
    "admin",
    "--password_file",
    file("password"),
    "--no_prompt",
  ]);
  expect(stdout).toContain(file("nm.pem"));
  expect(openssl(["verify", "-CAfile", layout.domainCertificate, file("nm.pem")])).toContain("OK");
  const signed = /\(serial ([0-9a-f]+)\)/.exec(stdout)?.[1] ?? "";
  expect(await serialsOf(domain)).toContain(signed);

  await domain.join("host-2", login);
  const backup = homeLayout(domain.home("host-2"));
  await mkdir(backup.authorityKeys, { recursive: true });
  const copied = ["domainCertificate", "certificateIndex", "certificateSerial"] as const;
  for (const name of [...copied, "domainContainer", "domainKey"] as const)
    await copyFile(layout[name], backup[name]);
  await waitUntil(
    async () => {
      const { authorities } = await domain.call("listAuthorities");
      const management = authorities.find(({ id }) => id === "management-1");
      return management?.holders.includes("host-2" as HostId) === true;
    },
    { deadlineMs, what: "the backup is a holder" },
  );
});
