import { execFileSync } from "node:child_process";
import { copyFile, readFile, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { openssl, testRoot } from "../../test/support/certificates.ts";
import { onEnd } from "../../test/support/cleanup.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { issueCredential } from "../control/index.ts";
import { credentialId, homeLayout, type HomeLayout } from "../domain/index.ts";
import type { AuthorityId, HostId, ProcessId } from "../kit/index.ts";
import { generateKeyPair, openPkcs12, requestForKey } from "../keys/index.ts";
import { encodePem } from "../pki/index.ts";
import { lockHome } from "../store/index.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { changePassphrase } from "./change-passphrase.ts";
import { openEnvironment, type HomeEnvironment } from "./environment.ts";
import { initializeHome } from "./offline.ts";
import { readTrustKey } from "./trust-key.ts";

const passphrase = "correct horse";
const hostId = "host-1" as HostId;
let layout: HomeLayout;

beforeEach(async () => {
  layout = homeLayout(await tempFolder());
});

async function initialize(secret: string | null): Promise<void> {
  await initializeHome(layout.home, {
    domainName: "CN=Domain",
    hostName: "host-1.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager",
    port: 8090,
    administrator: { name: "admin", password: "only for this test" },
    passphrase: secret,
  });
}

/** The folder, over the opened store of the home. */
async function opened(): Promise<{ folder: AuthorityFolder; env: HomeEnvironment }> {
  const lock = await lockHome(layout.store);
  const env = await openEnvironment(layout, "nodemanager-1", await readTrustKey(layout));
  onEnd(async () => {
    await env.close();
    lock.release();
  });
  return { folder: new AuthorityFolder({ env, layout, hostId }), env };
}

/** `openssl ca` on the folder of the domain signs a new request; returns the file with the certificate. */
async function signByOpenssl(name: string, args: readonly string[] = []): Promise<string> {
  const [key, request, out] = ["key", "csr", "pem"].map((end) =>
    join(layout.home, `${name}.${end}`),
  );
  if (key === undefined || request === undefined || out === undefined) throw new Error("no names");
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key];
  const names = ["-subj", `/OU=Elsewhere/CN=${name}`, "-addext", `subjectAltName=DNS:${name}.test`];
  openssl(["req", "-new", ...made, "-out", request, ...names]);
  const config = ["-config", layout.opensslConfig, "-preserveDN", "-batch", "-notext"];
  openssl(["ca", ...config, "-in", request, "-out", out, ...args]);
  return out;
}

const indexText = (): Promise<string> => readFile(layout.certificateIndex, "utf8");

describe("AuthorityFolder", () => {
  test("is one with which openssl ca signs, and what it wrote is in the inventory afterwards", async () => {
    await initialize(null);
    const first = await indexText();
    expect(first).toMatch(
      /^V\t\d{12}Z\t\t[0-9A-F]+\tunknown\t\/CN=nodemanager-1\/OU=group-1\/DC=host-1\n$/,
    );
    const signed = await signByOpenssl("printer");
    expect(openssl(["verify", "-CAfile", layout.domainCertificate, signed])).toContain(": OK");
    const text = openssl(["x509", "-in", signed, "-noout", "-text"]);
    expect(text).toMatch(/Subject: OU = Elsewhere, CN = printer/);
    expect(text).toContain("DNS:printer.test");
    expect(text).toContain("CA:FALSE");
    const { folder, env } = await opened();
    await folder.update();
    const serial = openssl(["x509", "-in", signed, "-noout", "-serial"])
      .trim()
      .slice(7)
      .toLowerCase();
    const { issuances, audit } = await env.store.read(async (view) => ({
      issuances: await view.issuances.page({}, 100),
      audit: await view.audit.page({}, 100),
    }));
    expect(issuances.find(({ issuance }) => issuance.serial === serial)?.issuance).toMatchObject({
      kind: "leaf",
      credentialId: null,
      subject: "OU=Elsewhere,CN=printer",
    });
    expect(audit.map(({ action }) => action)).toContain("certificate.import");
    expect(folder.findings()).toMatchObject([{ code: "signed-by-others" }]);
    expect(folder.findings()[0]?.text).toContain(serial);
    expect((await indexText()).split("\n")).toHaveLength(3);
    await folder.update();
    await signByOpenssl("scanner");
    await folder.update();
    expect(await env.store.read((view) => view.issuances.count())).toBe(issuances.length + 1);
    const again = new AuthorityFolder({ env, layout, hostId });
    await again.update();
    expect(again.findings()).toMatchObject([{ code: "signed-by-others" }]);
    await rm(layout.newCertificates, { recursive: true });
    await again.update();
    expect(again.findings()).toEqual([]);
  });

  test("lets openssl ca sign when the key is encrypted, and follows a change of the passphrase", async () => {
    await initialize(passphrase);
    await signByOpenssl("printer", ["-passin", `pass:${passphrase}`]);
    await changePassphrase(layout.home, { old: passphrase, new: "battery staple" });
    await signByOpenssl("scanner", ["-passin", "pass:battery staple"]);
    const container = await readFile(layout.domainContainer);
    expect(() => openPkcs12(container, passphrase, "domain.p12")).toThrow(/is wrong/);
    const { certificate } = openPkcs12(container, "battery staple", "domain.p12");
    const listed = ["-list", "-keystore", layout.domainContainer, "-storepass", "battery staple"];
    expect(execFileSync("keytool", listed, { encoding: "utf8" })).toContain("PrivateKeyEntry");
    const pem = openssl(["x509", "-in", layout.domainCertificate, "-noout", "-serial"]);
    expect(pem.trim().slice(7).toLowerCase()).toBe(certificate.serialHex);
    const p12 = ["-in", layout.domainContainer, "-passin", "pass:battery staple", "-nodes"];
    expect(openssl(["pkcs12", ...p12])).toContain("BEGIN PRIVATE KEY");
  });

  test("makes its files again when they are lost, and appends to the index what is issued later", async () => {
    await initialize(null);
    const before = await readFile(layout.domainKey, "utf8");
    await rm(layout.domainKey);
    await rm(layout.domainContainer);
    await rm(layout.certificateIndex);
    const { folder, env } = await opened();
    await folder.update();
    expect(await readFile(layout.domainKey, "utf8")).toBe(before);
    expect((await indexText()).split("\n")).toHaveLength(2);
    expect(openPkcs12(await readFile(layout.domainContainer), "", "p12").chain).toEqual([]);
    const { ino } = await stat(layout.certificateIndex);
    const { privateKey } = await generateKeyPair("ecdsa-p256");
    const id = credentialId("nodemanager-1" as ProcessId, "management");
    const request = { hostId, credentialId: id, actor: "test", presentedSerial: null };
    const requestPem = await requestForKey(privateKey, "CN=any");
    const { serial } = await issueCredential(env, { ...request, requestPem });
    await folder.update();
    expect((await indexText()).split("\n")[1]).toContain(serial.toUpperCase());
    expect((await stat(layout.certificateIndex)).ino).toBe(ino);
  });

  test("accepts a serial of 01 and an empty index, and writes the index anew", async () => {
    await initialize(null);
    const first = await indexText();
    await writeFile(layout.certificateSerial, "01\n");
    await writeFile(layout.certificateIndex, "");
    await writeFile(layout.certificateIndexState, "damaged");
    await writeFile(join(layout.newCertificates, "01.pem"), "damaged");
    const { folder } = await opened();
    await folder.update();
    expect(await indexText()).toBe(first);
    expect(await readFile(layout.certificateSerial, "utf8")).toBe("01\n");
  });

  test("says which certificates cannot be recorded because their serial was given twice", async () => {
    await initialize(null);
    const { folder, env } = await opened();
    await folder.update();
    for (const name of ["printer", "scanner"]) {
      await signByOpenssl(name);
      const ca = ["-CA", layout.domainCertificate, "-CAkey", layout.domainKey, "-set_serial", "1"];
      const out = ["-out", join(layout.newCertificates, `${name}.pem`)];
      openssl(["x509", "-req", "-in", join(layout.home, `${name}.csr`), ...ca, ...out]);
    }
    await folder.update();
    const found = await env.store.read((view) =>
      view.issuances.find("management-1" as AuthorityId, "01"),
    );
    expect(found?.subject).toBe("OU=Elsewhere,CN=printer");
    expect(folder.findings().map(({ code }) => code)).toEqual([
      "signed-by-others",
      "serial-reused",
    ]);
    expect(folder.findings()[1]?.text).toContain("(01)");
  });

  test("keeps a line of which there is no certificate, and says so", async () => {
    await initialize(null);
    const line = "V\t361122120000Z\t\tAB01\tunknown\t/CN=lost";
    await writeFile(layout.certificateIndex, `${await indexText()}${line}\n`);
    const { folder } = await opened();
    await folder.update();
    expect(await indexText()).toContain(line);
    expect(folder.findings()).toMatchObject([{ code: "index-without-certificate" }]);
    expect(folder.findings()[0]?.text).toContain("ab01");
  });

  test("takes the documented files that were placed by hand when they are the CA's, and no others", async () => {
    await initialize(null);
    const { folder, env } = await opened();
    const aside = await tempFolder();
    const files = [layout.domainKey, layout.domainContainer];
    for (const path of files)
      await copyFile(path, join(aside, path.slice(dirname(path).length + 1)));
    const authority = await env.store.read((view) => view.authorities.current("management"));
    // As on a backup Admin Node Manager: somebody else holds the key.
    const entry = { actor: "test", action: "test", subject: "test", detail: {} };
    await env.store.write(entry, (tx) =>
      tx.authorities.put({ ...authority, holders: ["host-2" as HostId] }),
    );
    expect(await env.authorityKeys.remove(authority.id)).toBe(true);
    await expect(readFile(layout.domainKey)).rejects.toThrow("ENOENT");
    await expect(readFile(layout.domainContainer)).rejects.toThrow("ENOENT");
    await folder.update();
    expect(folder.findings()).toEqual([]);
    const place = (name: string, to: string): Promise<void> => copyFile(join(aside, name), to);
    await place("domainkey.pem", layout.domainKey);
    await folder.update();
    expect(folder.findings()[0]?.text).toContain("domain.p12 is missing: copy it too");
    await place("domain.p12", layout.domainContainer);
    openssl(["genpkey", "-algorithm", "ed25519", "-out", layout.domainKey]);
    await folder.update();
    expect(folder.findings()[0]?.text).toMatch(/domain\.p12 holds another key/);
    await place("domainkey.pem", layout.domainKey);
    await folder.update();
    expect(folder.findings()).toEqual([]);
    const taken = await env.store.read((view) => view.authorities.current("management"));
    expect(taken.holders).toEqual(["host-2", "host-1"]);
    await env.authorityKeys.requireUsable(authority.id);
  });

  test("keeps no key of the CA before when the present one signs elsewhere", async () => {
    await initialize(null);
    const { folder, env } = await opened();
    const before = await env.store.read((view) => view.authorities.current("management"));
    const { certificate } = await testRoot({ subject: "CN=Elsewhere" });
    const elsewhere = {
      ...before,
      id: "management-2" as AuthorityId,
      signing: "external" as const,
      certificatePem: encodePem("CERTIFICATE", certificate.der),
      holders: [],
    };
    const entry = { actor: "test", action: "test", subject: "test", detail: {} };
    await env.store.write(entry, async (tx) => {
      await tx.authorities.put({ ...before, status: "previous" });
      await tx.authorities.put(elsewhere);
    });
    await folder.update();
    expect(folder.findings()).toEqual([]);
    await expect(readFile(layout.domainKey)).rejects.toThrow("ENOENT");
    await expect(readFile(layout.domainContainer)).rejects.toThrow("ENOENT");
    expect(await readFile(layout.domainCertificate, "utf8")).toBe(elsewhere.certificatePem);
    await env.authorityKeys.requireUsable(before.id);
  });

  test("signs again after the documented steps from domain.p12 alone, on a host that has lost its key", async () => {
    await initialize(passphrase);
    const { folder, env } = await opened();
    await env.authorityKeys.files.unlock(passphrase);
    const authority = await env.store.read((view) => view.authorities.current("management"));
    const container = await readFile(layout.domainContainer);
    await rm(layout.certificateIndexState);
    expect(await env.authorityKeys.remove(authority.id)).toBe(true);
    await writeFile(layout.domainContainer, container);
    await writeFile(layout.certificateSerial, "01\n");
    await writeFile(layout.certificateIndex, "");
    const from = ["pkcs12", "-in", layout.domainContainer, "-passin", `pass:${passphrase}`];
    openssl([...from, "-out", layout.domainCertificate, "-nokeys"]);
    openssl([...from, "-out", layout.domainKey, "-nocerts", "-passout", `pass:${passphrase}`]);
    await folder.update();
    expect(folder.findings()).toEqual([]);
    await folder.update();
    await env.authorityKeys.requireUsable(authority.id);
    expect((await indexText()).split("\n")).toHaveLength(2);
    await signByOpenssl("printer", ["-passin", `pass:${passphrase}`]);
  });

  test("lets default_days decide at once how long a new leaf lives, and says what is cut or wrong", async () => {
    await initialize(null);
    const { folder, env } = await opened();
    await folder.update();
    const days = async (value: string): Promise<number> => {
      const text = await readFile(layout.opensslConfig, "utf8");
      await writeFile(
        layout.opensslConfig,
        text.replace(/^default_days = .*$/m, `default_days = ${value}`),
      );
      return env.leafLifetimeSeconds() / 86_400;
    };
    expect(env.leafLifetimeSeconds()).toBe(30 * 86_400);
    expect(await days("7")).toBe(7);
    expect(folder.findings()).toEqual([]);
    expect(await days("36500")).toBe(36_500);
    expect(folder.findings()).toMatchObject([{ code: "leaf-life-cut" }]);
    expect(await days("soon")).toBe(30);
    expect(folder.findings()).toMatchObject([{ code: "default-days-unreadable" }]);
    await rm(layout.opensslConfig);
    expect(env.leafLifetimeSeconds()).toBe(30 * 86_400);
  });
});
