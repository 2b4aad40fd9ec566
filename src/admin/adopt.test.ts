import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openssl } from "../../test/support/certificates.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { homeLayout } from "../domain/index.ts";
import { createPlan, currentTrust, revoke } from "../control/index.ts";
import { lockHome } from "../store/index.ts";
import { adoptFolder } from "./adopt.ts";
import { openEnvironment } from "./environment.ts";
import { initializeHome } from "./initialize-home.ts";
import { readTrustKey } from "./trust-key.ts";

const configuration = (folder: string): string => `
[ca]
default_ca = CA_default
[CA_default]
dir = ${folder}
certificate = $dir/cacert.pem
private_key = $dir/private/cakey.pem
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir/newcerts
default_days = 100
default_md = sha256
policy = names
[names]
commonName = supplied
[req]
distinguished_name = dn
x509_extensions = v3_ca
[dn]
[v3_ca]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
`;

/** A CA as OpenSSL's ca keeps one, which has signed for alpha and beta, and revoked beta. */
async function opensslFolder(): Promise<string> {
  const folder = await tempFolder();
  const at = (name: string): string => join(folder, name);
  await mkdir(at("private"));
  await mkdir(at("newcerts"));
  await writeFile(at("cnf"), configuration(folder));
  await writeFile(at("index.txt"), "");
  await writeFile(at("serial"), "01\n");
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
  const root = [
    "-keyout",
    at("private/cakey.pem"),
    "-out",
    at("cacert.pem"),
    "-subj",
    "/CN=Old CA",
  ];
  openssl(["req", "-x509", "-config", at("cnf"), ...ec, ...root, "-passout", "pass:fred"]);
  const ca = ["ca", "-batch", "-notext", "-config", at("cnf"), "-passin", "pass:fred"];
  for (const name of ["alpha", "beta"]) {
    const request = ["-keyout", at(`${name}.key`), "-out", at(`${name}.csr`), "-nodes"];
    openssl(["req", "-new", "-config", at("cnf"), ...ec, ...request, "-subj", `/CN=${name}`]);
    openssl([...ca, "-in", at(`${name}.csr`), "-out", at(`${name}.pem`)]);
  }
  openssl([...ca, "-revoke", at("beta.pem")]);
  return folder;
}

test("adoptFolder makes a domain of OpenSSL's CA possible, with what it signed and revoked", async () => {
  const folder = await opensslFolder();
  const layout = homeLayout(join(await tempFolder(), "home"));
  await expect(adoptFolder(layout.home, { folder, passphrase: "wrong" })).rejects.toMatchObject({
    code: "unauthenticated",
  });
  await expect(
    adoptFolder(layout.home, { folder: join(folder, "newcerts"), passphrase: null }),
  ).rejects.toMatchObject({ code: "not-found" });
  const before = await readFile(join(folder, "index.txt"), "utf8");
  expect(await adoptFolder(layout.home, { folder, passphrase: "fred" })).toEqual({
    subject: "CN=Old CA",
    certificates: 2,
    withoutCertificate: 0,
  });
  expect(await readFile(join(folder, "index.txt"), "utf8")).toBe(before);
  expect(await readdir(layout.newCertificates)).toEqual(["01.pem", "02.pem"]);
  await expect(adoptFolder(layout.home, { folder, passphrase: "fred" })).rejects.toMatchObject({
    code: "home-exists",
  });

  const { authoritySubject } = await initializeHome(layout.home, {
    domainName: "CN=Domain",
    hostName: "host-1.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
    passphrase: "fred",
  });
  expect(authoritySubject).toBe("CN=Old CA");
  const lock = await lockHome(layout.store);
  const env = await openEnvironment(layout, "nodemanager-1", await readTrustKey(layout));
  try {
    const { issuances, denied } = await env.store.read(async (view) => ({
      issuances: (await view.issuances.page({}, 100)).map(({ issuance }) => issuance),
      denied: (await currentTrust(view)).denied,
    }));
    const of = (serial: string) => issuances.find((each) => each.serial === serial);
    expect([of("01")?.subject, of("02")?.subject]).toEqual(["CN=alpha", "CN=beta"]);
    expect(denied.map(({ fingerprint }) => fingerprint)).toEqual([of("02")?.fingerprint]);
    const rotation = { kind: "rotate-ca", usages: ["management"], observeSeconds: 1 } as const;
    const waitsFor = async (): Promise<string[]> =>
      (await createPlan(env, { ...rotation, subject: null }, "admin")).unprovable.map(
        ({ subject }) => subject,
      );
    expect(await waitsFor()).toEqual(["unmanaged:management", "certificate:01"]);
    await revoke(env, { serial: "01", reason: "alpha has joined", actor: "admin" });
    expect(await waitsFor()).toEqual(["unmanaged:management"]);
  } finally {
    await env.close();
    lock.release();
  }
  const index = await readFile(layout.certificateIndex, "utf8");
  expect(index).toMatch(/^V\t\d+Z\t\t01\tunknown\t\/CN=alpha$/m);
  expect(index).toMatch(/^R\t\d+Z\t\d+Z\t02\tunknown\t\/CN=beta$/m);
  expect(index).toMatch(/^V\t\d+Z\t\t[0-9A-F]{30,}\tunknown\t\/CN=nodemanager-1/m);
});
