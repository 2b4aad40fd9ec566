import { readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { mkdir, rm } from "node:fs/promises";
import { expect, test } from "vitest";
import type { SavedTrust } from "../transport/index.ts";
import { nodeFixture, nodeHostId } from "../../test/support/node-fixture.ts";

test("new trust is not in force while it could not be saved", async () => {
  const { domain, state } = await nodeFixture();
  domain.publish({});
  const { link } = domain.trust.save();
  // A file where the folder has to be: nothing can be written.
  const folder = dirname(state.layout.trust);
  await rm(folder, { recursive: true });
  await writeFile(folder, "");
  await expect(state.acceptTrust([link])).rejects.toThrow(/cannot be written|does not exist/);
  expect(state.trust.epoch).toBe(1);
  await rm(folder);
  await mkdir(folder);
  expect(await state.acceptTrust([link])).toBe(true);
  expect(state.trust.epoch).toBe(2);
  expect(await state.acceptTrust([link])).toBe(false);
});

test("what is accepted at the same time ends up in one file", async () => {
  const { domain, state } = await nodeFixture();
  domain.publish({});
  domain.publishHost(nodeHostId, []);
  const saved = domain.trust.save();
  await Promise.all([state.acceptTrust([saved.link]), state.acceptTrust([], saved.host)]);
  const file = JSON.parse(await readFile(state.layout.trust, "utf8")) as SavedTrust;
  expect(file.link).toEqual(saved.link);
  expect(file.host).toEqual(saved.host);
  expect(state.trust.host?.version).toBe(2);
});
