import { execFileSync } from "node:child_process";
import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { driverDescription } from "../../test/support/driver-description.ts";
import { realRoot, serverMaterial } from "../../test/support/driver-material.ts";
import { memberOf } from "../../test/support/member.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { certificatesPem } from "../keys/index.ts";
import { installGenerationOf } from "./member.ts";

test("a JKS store holds the key with its certificate, under the passphrase of its driver", async () => {
  const folder = await tempFolder();
  const secret = join(folder, "secret");
  await writeFile(secret, "changeit!\n", { mode: 0o600 });
  const description = {
    ...(await driverDescription("stunnel")),
    folder: join(folder, "member"),
    files: [{ what: "jks" as const, path: "store.jks", passphrase: { file: secret } }],
  };
  const material = await serverMaterial(await realRoot());
  await installGenerationOf(memberOf(description), { sequence: 1, material }, "stopped");
  const store = join(folder, "member", "current", "store.jks");
  expect((await readFile(store)).toString("hex", 0, 4)).toBe("feedfeed");
  expect((await stat(store)).mode & 0o777).toBe(0o600);
  const ask = ["-keystore", store, "-storepass:file", secret];
  expect(execFileSync("keytool", ["-list", ...ask], { encoding: "utf8" })).toContain(
    "PrivateKeyEntry",
  );
  const alias = ["-alias", "gatehouse", "-rfc"];
  const exported = execFileSync("keytool", ["-exportcert", ...alias, ...ask], { encoding: "utf8" });
  expect(exported.replaceAll("\r", "").trim()).toBe(certificatesPem([material.leaf]).trim());
  await writeFile(secret, "short\n");
  await expect(
    installGenerationOf(memberOf(description), { sequence: 2, material }, "stopped"),
  ).rejects.toMatchObject({ code: "invalid-input" });
});
