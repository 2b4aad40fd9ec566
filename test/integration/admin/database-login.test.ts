import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { databaseLoginProblem } from "../../../src/admin/offline.ts";
import { superuser } from "../../support/postgresql.ts";
import { testServer } from "../../support/shared-store.ts";
import { tempFolder } from "../../support/temp-folder.ts";

test("databaseLoginProblem names what keeps a home from its database, and nothing once that is mended", async () => {
  const server = await testServer();
  const home = await tempFolder();
  for (const folder of ["conf", "store"]) await mkdir(join(home, folder));
  const url = `postgresql://${superuser}@127.0.0.1:${server.port}/${await server.createDatabase()}?sslmode=disable`;
  const passwordFile = join(home, "password");
  const problem = async (login: object): Promise<string | null> => {
    await writeFile(join(home, "conf/database.json"), JSON.stringify({ url, ...login }));
    return databaseLoginProblem(home);
  };
  expect(await problem({})).toMatch(/asks for a password, and none is given: /);
  expect(await problem({ passwordFile })).toMatch(/the password file \S+ cannot be read/);
  await writeFile(passwordFile, "another\n", { mode: 0o600 });
  expect(await problem({ passwordFile })).toMatch(/refuses the password/);
  await writeFile(passwordFile, `${server.password}\n`);
  expect(await problem({ passwordFile })).toBeNull();
});
