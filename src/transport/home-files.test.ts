import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { nodeFixture } from "../../test/support/node-fixture.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { readNodeSettings, readStateFile } from "./home-files.ts";
import { readIdentity } from "./identity.ts";

test.each(["{}", "null", "{", '"text"', '{"domain":1}'])(
  "settings that hold %s are damaged, not those of another host",
  async (text) => {
    const path = join(await tempFolder(), "node.json");
    expect(await readNodeSettings(path)).toBeNull();
    await writeFile(path, text);
    await expect(readNodeSettings(path)).rejects.toMatchObject({
      code: "state-corrupt",
      message: expect.stringContaining(path) as string,
    });
  },
);

test("a state file's error does not repeat what the parser says", async () => {
  const path = join(await tempFolder(), "desired.json");
  await writeFile(path, "garbage");
  await expect(readStateFile(path)).rejects.toMatchObject({
    message: `${path} is not JSON: restore it from a backup`,
  });
});

test("an identity whose files are damaged, swapped or open to others is refused by name", async () => {
  const { state, domain, install } = await nodeFixture();
  const folder = state.layout.nodeCredential;
  const file = (name: string): string => join(folder, "current", name);
  expect(await readIdentity(folder)).toEqual(state.identity);
  const other = await domain.nodeManager("host-1", { authorityId: "management-1" });
  await install(2, other);
  const damages: [string, string, string][] = [
    ["key.pem", "garbage", "state-corrupt"],
    ["certificate.pem", "garbage", "state-corrupt"],
    ["certificate.pem", other.identity.certificatePem, "state-corrupt"],
    ["meta.json", "{}", "state-corrupt"],
  ];
  for (const [name, text, code] of damages) {
    const kept = await readFile(file(name));
    await writeFile(file(name), text);
    await expect(readIdentity(folder)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(file(name)) as string,
    });
    await writeFile(file(name), kept);
  }
  await chmod(file("key.pem"), 0o640);
  await expect(readIdentity(folder)).rejects.toMatchObject({
    code: "forbidden",
    message: expect.stringContaining(`chmod 0600 ${file("key.pem")}`) as string,
  });
});
