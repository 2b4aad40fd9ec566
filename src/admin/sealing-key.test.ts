import { stat } from "node:fs/promises";
import { expect, it } from "vitest";
import { homeLayout } from "../domain/index.ts";
import { seal, unseal } from "../keys/index.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { KeyFiles } from "./key-files.ts";
import { ensureSealingKey } from "./sealing-key.ts";

it("ensureSealingKey makes a key that opens what is sealed for it, and finds it again", async () => {
  const layout = homeLayout(await tempFolder());
  const made = await ensureSealingKey(layout, new KeyFiles(layout));
  const found = await ensureSealingKey(layout, new KeyFiles(layout));
  expect(found.spki).toEqual(made.spki);
  const opened = await unseal(await seal("secret", made.spki), found.privateKey);
  expect(Buffer.from(opened).toString()).toBe("secret");
  expect((await stat(layout.sealingKey)).mode & 0o777).toBe(0o600);
});
