import { chown, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openssl } from "../../test/support/certificates.ts";
import { realRoot, serverMaterial } from "../../test/support/driver-material.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { certificatesPem, privateKeyToPem } from "../keys/index.ts";
import type { Description, FileEntry } from "./description.ts";
import type { FoundFiles, Say } from "./examination.ts";
import { examineFiles } from "./examine-files.ts";

const say: Say = (code, severity, text) => ({ code, severity, subject: "m", text });

function examine(folder: string, files: readonly FileEntry[]): Promise<FoundFiles> {
  const entries = files.map((file) => ({ ...file, path: join(folder, file.path) }));
  return examineFiles({ folder, visible: "swap", files: entries } as unknown as Description, say);
}

const codesOf = ({ findings }: FoundFiles): string[] => findings.map(({ code }) => code);

test("key and certificate are read from one file, from DER, and from two pairs of files", async () => {
  const folder = await tempFolder();
  const { key, leaf, anchors } = await serverMaterial(await realRoot());
  const pem = privateKeyToPem(key);
  const mode = 0o600;
  await writeFile(join(folder, "both.pem"), certificatesPem([leaf, ...anchors]) + pem, { mode });
  await writeFile(join(folder, "key.der"), key.export({ format: "der", type: "pkcs8" }), { mode });
  await writeFile(join(folder, "leaf.der"), leaf.der, { mode });
  const combined = await examine(folder, [{ what: "combined", path: "both.pem" }]);
  expect(combined.findings).toEqual([]);
  expect(combined.credentials).toMatchObject([{ leaf, chain: anchors }]);
  const der = await examine(folder, [
    { what: "key", path: "key.der", format: "DER" },
    { what: "certificate", path: "leaf.der", format: "DER" },
    { what: "key", path: "both.pem" },
    { what: "certificate-and-chain", path: "both.pem" },
  ]);
  expect(der.findings).toEqual([]);
  expect(der.credentials.map((each) => [each.leaf?.serialHex, each.key?.type])).toEqual([
    [leaf.serialHex, "private"],
    [leaf.serialHex, "private"],
  ]);
});

test("a key that needs a passphrase, which no server is asked for, is found", async () => {
  const folder = await tempFolder();
  const path = join(folder, "key.pem");
  openssl([
    "genpkey",
    "-algorithm",
    "EC",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-aes256",
    "-pass",
    "pass:secret",
    "-out",
    path,
  ]);
  const found = await examine(folder, [{ what: "key", path: "key.pem" }]);
  expect(found.findings).toMatchObject([
    { code: "file-unreadable", text: expect.stringContaining("is encrypted") as string },
  ]);
});

test("a folder in place of a file, and a folder that is not there, are found", async () => {
  const folder = await tempFolder();
  expect(codesOf(await examine(folder, [{ what: "key", path: "." }]))).toEqual([
    "file-permissions",
  ]);
  expect(codesOf(await examine(folder, [{ what: "key", path: "no/key.pem" }]))).toEqual([
    "file-missing",
  ]);
});

test.runIf(process.getuid?.() === 0)("a key that belongs to somebody else is found", async () => {
  const folder = await tempFolder();
  const path = join(folder, "key.pem");
  const { key } = await serverMaterial(await realRoot());
  await writeFile(path, privateKeyToPem(key), { mode: 0o600 });
  const entry = { what: "key", path: "key.pem", owner: userInfo().username } as const;
  expect(codesOf(await examine(folder, [entry]))).toEqual([]);
  await chown(path, 12_345, 12_345);
  const { findings } = await examine(folder, [entry]);
  expect(findings).toMatchObject([
    { code: "file-permissions", text: expect.stringContaining("belongs to 12345:12345") as string },
  ]);
});
