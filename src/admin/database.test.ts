import { chmod, mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { homeLayout } from "../domain/index.ts";
import { openDatabaseAccess } from "./database.ts";

const url = "postgresql://gatehouse@db-1.test/gatehouse";

test("the database's password is the first line of its file, and every mistake there is named", async () => {
  const layout = homeLayout(await tempFolder());
  const file = `${layout.home}/password`;
  const passwordFrom = async (passwordFile: string): Promise<string | undefined> => {
    await mkdir(dirname(layout.databaseSettings), { recursive: true });
    await writeFile(layout.databaseSettings, JSON.stringify({ url, passwordFile }));
    return (await openDatabaseAccess(layout)).password();
  };
  await writeFile(file, "secret\nnot this\n", { mode: 0o600 });
  expect(await passwordFrom(file)).toBe("secret");
  await writeFile(file, "\n");
  await expect(passwordFrom(file)).rejects.toMatchObject({
    code: "invalid-input",
    message: `the password file ${file} is empty: write the password into its first line`,
  });
  await writeFile(`${file}-of-all`, "secret");
  await chmod(`${file}-of-all`, 0o644);
  await expect(passwordFrom(`${file}-of-all`)).rejects.toThrow(`run \`chmod 600 ${file}-of-all\``);
  await expect(passwordFrom(layout.home)).rejects.toMatchObject({
    code: "invalid-input",
    message: `${layout.home} is a folder: name the file in it that holds the password`,
  });
  await expect(passwordFrom(`${file}-of-none`)).rejects.toMatchObject({ code: "not-found" });
});
