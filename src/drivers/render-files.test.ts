import { createPrivateKey } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { dayMs, openssl, type TestAuthority } from "../../test/support/certificates.ts";
import { realRoot, serverMaterial } from "../../test/support/driver-material.ts";
import { revocationList } from "../../test/support/revocation-list.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { certificatesPem, openPkcs12, privateKeyToPem } from "../keys/index.ts";
import { parseCertificatesPem } from "../pki/index.ts";
import type { FileEntry } from "./description.ts";
import { firstListEndMs } from "./revocation-lists.ts";
import { renderFiles, type Material } from "./render-files.ts";

let root: TestAuthority;
let material: Material;
beforeAll(async () => {
  root = await realRoot();
  material = await serverMaterial(root);
});

function render(what: FileEntry["what"], more: Partial<FileEntry> = {}, of = material): Buffer {
  const [file] = renderFiles([{ what, path: "x", ...more }], of, new Map([["x", "secret"]]));
  return Buffer.from(file?.bytes ?? []);
}

describe("a generation is rendered", () => {
  test("as PEM: each file has what its name says, a combined one the leaf first", () => {
    const chain = [root.certificate];
    const of = { ...material, chain };
    const ders = (text: Buffer): Uint8Array[] =>
      parseCertificatesPem(String(text)).map(({ der }) => der);
    expect(ders(render("certificate", {}, of))).toEqual([material.leaf.der]);
    expect(ders(render("chain", {}, of))).toEqual([root.certificate.der]);
    const both = [material.leaf.der, root.certificate.der];
    expect(ders(render("certificate-and-chain", {}, of))).toEqual(both);
    expect(ders(render("combined", {}, of))).toEqual(both);
    expect(createPrivateKey(render("combined", {}, of)).equals(material.key)).toBe(true);
    expect(ders(render("trust-bundle"))).toEqual([root.certificate.der]);
  });

  test("as DER that OpenSSL reads", async () => {
    const folder = await tempFolder();
    const file = join(folder, "key.der");
    await writeFile(file, render("key", { format: "DER" }));
    expect(openssl(["pkey", "-inform", "DER", "-in", file])).toBe(privateKeyToPem(material.key));
    await writeFile(file, render("certificate", { format: "DER" }));
    const pem = openssl(["x509", "-inform", "DER", "-in", file]);
    expect(pem).toBe(certificatesPem([material.leaf]));
  });

  test("as PKCS#12 under its passphrase", () => {
    const opened = openPkcs12(render("pkcs12"), "secret", "test");
    expect(opened.privateKey.equals(material.key)).toBe(true);
    expect(opened.certificate.der).toEqual(material.leaf.der);
  });

  test("with the mode, owner and group that its driver names", () => {
    const entries: FileEntry[] = [
      { what: "key", path: "k" },
      { what: "certificate", path: "c", mode: "0640", owner: "a", group: "b" },
    ];
    expect(renderFiles(entries, material, new Map())).toMatchObject([
      { path: "k", mode: 0o600, owner: undefined, group: undefined },
      { path: "c", mode: 0o640, owner: "a", group: "b" },
    ]);
  });
});

describe("a generation is refused before anything is written", () => {
  test("when its key is another's", async () => {
    const { key } = await serverMaterial(root);
    expect(() => render("certificate", {}, { ...material, key })).toThrow("the key is not that of");
  });

  test("when its chain is another's", async () => {
    const chain = [(await realRoot("CN=Other")).certificate];
    expect(() => render("chain", {}, { ...material, chain })).toThrow("is not the issuer");
  });

  test("when a trusted CA is without a revocation list that holds, and the server needs one of each", async () => {
    const other = await realRoot("CN=Other");
    const anchors = [root.certificate, other.certificate];
    const [own, others, namesake] = await Promise.all([
      revocationList(root, Date.now() + dayMs),
      revocationList(other, Date.now() + 2 * dayMs),
      revocationList(await realRoot("CN=Other"), Date.now() + dayMs),
    ]);
    const of = (...crls: Uint8Array[]) => ({ ...material, anchors, crls });
    const lists = String(render("crl", {}, of(others, own)));
    expect(lists.match(/BEGIN X509 CRL/g)).toHaveLength(2);
    expect(() => render("crl", {}, of(own))).toThrow(
      "no revocation list of the trusted CA CN=Other",
    );
    expect(() => render("crl", {}, of(own, namesake))).toThrow("no revocation list of");
    const over = await revocationList(root, Date.now() - 1_000);
    expect(() => render("crl", {}, of(over, others))).toThrow("of the trusted CA CN=Root");
    expect(() => render("crl", {}, of(over, others))).toThrow("is over");
    expect(firstListEndMs([others, over])).toBeLessThan(Date.now());
    expect(firstListEndMs([])).toBeNull();
  });

  test("when there is no CA to trust", () => {
    expect(() => render("trust-bundle", {}, { ...material, anchors: [] })).toThrow(
      "no CA to trust",
    );
  });
});
