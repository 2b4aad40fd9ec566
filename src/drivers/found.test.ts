import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { realRoot, serverMaterial } from "../../test/support/driver-material.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import type { Description } from "./description.ts";
import { readFound } from "./found.ts";
import { renderFiles } from "./render-files.ts";

type Files = Description["files"];

/** Files as somebody placed them by hand, and the description that names them. */
async function placed(name: string, files: (folder: string) => Files) {
  const folder = await tempFolder();
  const material = await serverMaterial(await realRoot());
  await writeFile(join(folder, "passphrase"), "secret", { mode: 0o600 });
  const entries = files(folder);
  const passphrases = new Map(entries.map(({ path }) => [path, "secret"]));
  for (const { path, bytes } of renderFiles(entries, material, passphrases))
    await writeFile(path, bytes);
  const description = { name, visible: "swap", files: entries } as unknown as Description;
  return { folder, material, description };
}

test.each<[string, (folder: string) => Files]>([
  [
    "two PEM files",
    (at) => [
      { what: "key", path: `${at}/key` },
      { what: "certificate-and-chain", path: `${at}/certificate` },
    ],
  ],
  [
    "two DER files",
    (at) => [
      { what: "key", path: `${at}/key`, format: "DER" },
      { what: "certificate", path: `${at}/certificate`, format: "DER" },
    ],
  ],
  ["one file with all", (at) => [{ what: "combined", path: `${at}/all` }]],
  [
    "a PKCS#12 file",
    (at) => [{ what: "pkcs12", path: `${at}/p12`, passphrase: { file: `${at}/passphrase` } }],
  ],
])("the key and certificate that were placed by hand are read from %s", async (_, files) => {
  const { material, description } = await placed("sample", files);
  const found = await readFound(description);
  expect(found.leaf.der).toEqual(material.leaf.der);
  expect(found.key.equals(material.key)).toBe(true);
  expect(found.chain).toEqual([]);
});

test("what is missing or does not belong together is named by its file", async () => {
  const { folder, description } = await placed("sample", (at) => [
    { what: "key", path: `${at}/key` },
    { what: "certificate", path: `${at}/certificate` },
  ]);
  const other = await placed("other", (at) => [{ what: "key", path: `${at}/key` }]);
  const strange = {
    ...description,
    found: { key: `${other.folder}/key`, certificate: `${folder}/certificate` },
  };
  await expect(readFound(strange)).rejects.toThrow(`${other.folder}/key is not the key`);
  const gone = { ...description, found: { key: `${folder}/none`, certificate: "" } };
  await expect(readFound(gone)).rejects.toMatchObject({ code: "not-found" });
  await expect(readFound({ ...description, visible: "link" })).rejects.toThrow("add found");
});
