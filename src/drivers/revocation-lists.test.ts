import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { dayMs } from "../../test/support/certificates.ts";
import { realRoot } from "../../test/support/driver-material.ts";
import { revocationList } from "../../test/support/revocation-list.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { encodePem } from "../pki/index.ts";
import { readRevocationLists } from "./revocation-lists.ts";
import { driverDescription } from "../../test/support/driver-description.ts";

test("revocation lists are read from files in PEM, several in one, and from one in DER", async () => {
  const folder = await tempFolder();
  const lists = await Promise.all(
    ["CN=A", "CN=B", "CN=C"].map(async (name) =>
      revocationList(await realRoot(name), Date.now() + dayMs),
    ),
  );
  const [first = "", second = ""] = lists.map((list) => encodePem("X509 CRL", list));
  await writeFile(join(folder, "two.pem"), `of A and B\n${first}${second}`);
  await writeFile(join(folder, "one.der"), lists[2] ?? "");
  const driver = await driverDescription("stunnel");
  const read = (...names: string[]) =>
    readRevocationLists({ ...driver, revocationLists: names.map((name) => join(folder, name)) });
  expect(await read("two.pem", "one.der")).toEqual(lists);
  expect(await readRevocationLists(driver)).toEqual([]);
  await expect(read("absent.pem")).rejects.toMatchObject({ code: "not-found" });
});
