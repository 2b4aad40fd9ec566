import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  fingerprintOf,
  installedState,
  installGenerationOf,
  readStatus,
  renderFiles,
  servedFingerprint,
  type Description,
  type Material,
} from "../../../src/drivers/index.ts";
import { certificatesPem, privateKeyToPem } from "../../../src/keys/index.ts";
import { realRoot, serverMaterial } from "../../support/driver-material.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { realServer, serverKinds, type Paths, type RealServer } from "./servers.ts";

function served({ description }: RealServer): Promise<string> {
  const [port] = description.served;
  return port === undefined ? Promise.reject(new Error("no port")) : servedFingerprint(port);
}

/** What the server answers to a client with this certificate: a status, or null if it hangs up. */
function asClient({ port }: RealServer, client: Material): Promise<number | null> {
  return new Promise((resolve) => {
    const sent = request(
      {
        host: "127.0.0.1",
        port,
        agent: false,
        rejectUnauthorized: false,
        key: privateKeyToPem(client.key),
        cert: certificatesPem([client.leaf]),
      },
      (answer) => {
        answer.resume();
        resolve(answer.statusCode ?? null);
      },
    );
    sent.once("error", () => resolve(null));
    sent.end();
  });
}

/** A server that runs with its first generation. */
async function running(server: RealServer, material: Material): Promise<void> {
  const generation = { sequence: 1, material };
  await installGenerationOf(server.description, generation, "stopped");
  server.start();
  await installGenerationOf(server.description, generation, "started");
}

describe.each(serverKinds)("the server $driver", (kind) => {
  test("serves a new generation, and the last good one when a next one is refused", async () => {
    const root = await realRoot();
    const [first, second, third] = [
      await serverMaterial(root),
      await serverMaterial(root),
      await serverMaterial(root),
    ];
    const server = await realServer(kind);
    await running(server, first);
    expect(await served(server)).toBe(fingerprintOf(first.leaf.der));
    await installGenerationOf(server.description, { sequence: 2, material: second });
    expect(await served(server)).toBe(fingerprintOf(second.leaf.der));

    const wrongKey = { ...third, key: first.key };
    await expect(
      installGenerationOf(server.description, { sequence: 3, material: wrongKey }),
    ).rejects.toMatchObject({ code: "invalid-input" });
    expect(await served(server)).toBe(fingerprintOf(second.leaf.der));

    if (kind.hasCheck) {
      const text = await readFile(server.configuration, "utf8");
      await writeFile(server.configuration, `${text}\nnonsense {\n`);
      await expect(
        installGenerationOf(server.description, { sequence: 3, material: third }),
      ).rejects.toMatchObject({
        code: "generation-refused",
        message: `${kind.driver} did not take generation 3; generation 2 is in use again`,
      });
      expect(await served(server)).toBe(fingerprintOf(second.leaf.der));
      await writeFile(server.configuration, text);
    }
    await installGenerationOf(server.description, { sequence: 3, material: third });
    expect(await served(server)).toBe(fingerprintOf(third.leaf.der));
    if (server.description.status !== undefined)
      expect(await readStatus(server.description, [])).not.toBeNull();
  });

  test.runIf(kind.driver === "nginx")(
    "has the last good one again when it goes on serving an old certificate",
    async () => {
      const root = await realRoot();
      const [first, second] = [await serverMaterial(root), await serverMaterial(root)];
      const server = await realServer(kind);
      await running(server, first);
      const deaf = { ...server.description, reload: { run: ["true"] }, servedWithinSeconds: 1 };
      const tried = installGenerationOf(deaf, { sequence: 2, material: second });
      await expect(tried).rejects.toMatchObject({ code: "generation-refused" });
      expect(await served(server)).toBe(fingerprintOf(first.leaf.der));
      expect(
        await readFile(join(server.description.folder, "current", "generation.json"), "utf8"),
      ).toContain(fingerprintOf(first.leaf.der));
    },
  );

  test.runIf(kind.asksClients)("trusts an old and a new CA at once, then the new one", async () => {
    const [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
    const [first, second] = [await serverMaterial(oldRoot), await serverMaterial(newRoot)];
    const server = await realServer(kind);
    await running(server, first);
    const [oldClient, newClient] = [await serverMaterial(oldRoot), await serverMaterial(newRoot)];
    expect(await asClient(server, oldClient)).toBe(200);
    expect(await asClient(server, newClient)).not.toBe(200);
    const both = { ...first, anchors: [oldRoot.certificate, newRoot.certificate] };
    await installGenerationOf(server.description, { sequence: 2, material: both });
    await waitUntil(async () => (await asClient(server, newClient)) === 200, {
      deadlineMs: 10_000,
      what: "clients of the new CA are accepted",
    });
    expect(await asClient(server, oldClient)).toBe(200);
    await installGenerationOf(server.description, { sequence: 3, material: second });
    await waitUntil(async () => (await asClient(server, oldClient)) !== 200, {
      deadlineMs: 10_000,
      what: "clients of the old CA are refused",
    });
    expect(await asClient(server, newClient)).toBe(200);
  });
});

test("files that were placed by hand are taken over by a swap, and come back when it fails", async () => {
  const stunnel = serverKinds.find(({ driver }) => driver === "stunnel");
  if (stunnel === undefined) throw new Error("there is no stunnel");
  const byHand = (at: Paths): string => join(at.base, "by-hand");
  const { description, configuration, start } = await realServer({
    ...stunnel,
    text: (at) => stunnel.text({ ...at, current: byHand(at) }),
  });
  const folder = join(dirname(configuration), "by-hand");
  const swapped: Description = {
    ...description,
    visible: "swap",
    files: description.files.map((file) => ({ ...file, path: join(folder, file.path) })),
  };
  const root = await realRoot();
  const [old, first] = [await serverMaterial(root), await serverMaterial(root)];
  await mkdir(folder);
  for (const { path, bytes } of renderFiles(swapped.files, old, new Map()))
    await writeFile(path, bytes, { mode: 0o640 });
  start();
  const [port] = swapped.served;
  if (port === undefined) throw new Error("there is no port");
  await waitUntil(() => servedFingerprint(port), { deadlineMs: 10_000, what: "stunnel runs" });

  const deaf = { ...swapped, reload: { run: ["true"] }, servedWithinSeconds: 1 };
  await expect(installGenerationOf(deaf, { sequence: 1, material: first })).rejects.toMatchObject({
    code: "generation-refused",
  });
  const key = join(folder, "key.pem");
  expect(await readFile(key, "utf8")).toBe(privateKeyToPem(old.key));
  expect((await stat(key)).mode & 0o777).toBe(0o640);
  expect(await servedFingerprint(port)).toBe(fingerprintOf(old.leaf.der));

  await installGenerationOf(swapped, { sequence: 1, material: first });
  expect(await servedFingerprint(port)).toBe(fingerprintOf(first.leaf.der));
  expect((await stat(key)).mode & 0o777).toBe(0o600);
  expect(await installedState(swapped)).toEqual({ current: 1, good: 1, changed: [] });
});
