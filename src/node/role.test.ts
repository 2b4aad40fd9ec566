import { existsSync, readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import type { DesiredState } from "../contract/index.ts";
import type { NodeSettings } from "../domain/index.ts";
import { generateKeyPair, presentGeneration, privateKeyToPem, seal } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { freePort } from "../../test/support/free-port.ts";
import { nodeFixture, nodeHostId, type NodeFixture } from "../../test/support/node-fixture.ts";
import { HostRole } from "./role.ts";

let fixture: NodeFixture;
let calls: { name: string; body: unknown }[];
let failing: Set<string>;
let isAdminRunning: boolean;
let role: HostRole;

/** Another start of the Node Manager on the same home. */
function restart(): void {
  role?.close();
  const link = {
    call: async (name: string, input: { body?: unknown }) => {
      if (failing.has(name)) throw new DomainError("unreachable", `${name} was lost`);
      calls.push({ name, body: input.body });
      if (name !== "takeAdminSecrets") return null;
      const { sealingKey } = input.body as { sealingKey: string };
      const { privateKey } = await generateKeyPair("ecdsa-p256");
      const pem = privateKeyToPem(privateKey);
      return {
        databaseUrl: "postgresql://gatehouse@db.test/domain",
        databaseIdentity: { systemIdentifier: "1", timeline: 1 },
        sealedTrustKey: await seal(pem, Buffer.from(sealingKey, "base64")),
      };
    },
  };
  role = new HostRole(fixture.state, link as never, {
    pid: null,
    hasFailed: false,
    lastError: null,
    isRunning: async () => isAdminRunning,
    keepRunning: async () => void (isAdminRunning = true),
    keepStopped: async () => void (isAdminRunning = false),
    signalReload: async () => false,
    endUnlessWorking: async () => undefined,
  });
}

async function want(isAdmin: boolean, port?: number): Promise<void> {
  const { settings } = fixture.state;
  const wish = { isAdmin, name: settings.name, port: port ?? settings.port, keepKeysOf: [] };
  fixture.state.desired = { role: wish } as unknown as DesiredState;
}

/** Presents a certificate of the other role. */
async function present(sequence: number, as: "nm" | "anm"): Promise<void> {
  const { domain, state, install } = fixture;
  const next = await domain.nodeManager(nodeHostId, { authorityId: "management-1", role: as });
  await install(sequence, next);
  await presentGeneration(state.layout.nodeCredential, sequence);
  await state.loadIdentity();
}

async function saved(): Promise<NodeSettings> {
  return JSON.parse(await readFile(fixture.state.layout.nodeSettings, "utf8")) as NodeSettings;
}

beforeEach(async () => {
  fixture = await nodeFixture();
  calls = [];
  failing = new Set();
  isAdminRunning = false;
  const { state } = fixture;
  for (const folder of [dirname(state.layout.nodeSettings), state.layout.run])
    await mkdir(folder, { recursive: true });
  await state.changeSettings({ port: await freePort() });
  state.isConnected = true;
  restart();
  onTestFinished(() => role.close());
  await role.start();
});

async function promoted(): Promise<void> {
  await want(true);
  await role.converge();
  await present(2, "anm");
  await role.converge();
}

describe("a host", () => {
  test("becomes an Admin Node Manager when its new certificate is presented, with secrets taken once", async () => {
    const { layout } = fixture.state;
    await writeFile(layout.databaseSettings, '{"passwordFile":"/etc/db"}');
    failing.add("takeAdminSecrets");
    await want(true);
    await role.converge();
    expect(role.observation()).toMatchObject({ isAdmin: false, hasDatabaseLogin: true });
    expect(role.observation().problem).toContain("takeAdminSecrets was lost");
    failing.clear();
    await role.converge();
    restart();
    await role.converge();
    expect(calls.map(({ name }) => name)).toEqual(["takeAdminSecrets"]);
    expect(isAdminRunning).toBe(false);
    await present(2, "anm");
    await role.converge();
    expect(isAdminRunning).toBe(true);
    expect((await saved()).isAdmin).toBe(true);
    expect(JSON.parse(await readFile(layout.databaseSettings, "utf8"))).toEqual({
      passwordFile: "/etc/db",
      url: "postgresql://gatehouse@db.test/domain",
    });
  });

  test("gives it up when its new certificate is presented, and says last that the keys are deleted", async () => {
    await promoted();
    const { layout } = fixture.state;
    await writeFile(layout.authorityKey("management-1" as never), "a key");
    await want(false);
    await role.converge();
    expect(isAdminRunning).toBe(true);
    await present(3, "nm");
    failing.add("reportRemovedKeys");
    await role.converge();
    expect(isAdminRunning).toBe(false);
    expect(readdirSync(layout.authorityKeys)).toEqual([]);
    expect((await saved()).isAdmin).toBe(true);
    failing.clear();
    restart();
    await role.converge();
    const files = ["management-1.key.pem", "sealing.key.pem", "trust-signing.key.pem"];
    expect(calls.at(-1)).toEqual({ name: "reportRemovedKeys", body: { files } });
    expect((await saved()).isAdmin).toBe(false);
    expect(existsSync(layout.databaseIdentity)).toBe(false);
    expect(existsSync(layout.databaseSettings)).toBe(false);
  });

  test("keeps the key of an authority that nobody else has", async () => {
    await promoted();
    const { layout } = fixture.state;
    const kept = layout.authorityKey("management-1" as never);
    await writeFile(kept, "the last copy");
    await want(false);
    const wish = fixture.state.desired?.role;
    wish?.keepKeysOf.push("management-1" as never);
    await present(3, "nm");
    await role.converge();
    expect(await readFile(kept, "utf8")).toBe("the last copy");
    expect((await saved()).isAdmin).toBe(false);
  });

  test("changes nothing while no Admin Node Manager answers", async () => {
    fixture.state.isConnected = false;
    await want(true);
    await role.converge();
    expect(calls).toEqual([]);
  });

  test("moves to another port, and keeps the one it has while that is taken", async () => {
    const other = await freePort();
    await want(false, other);
    await role.converge();
    expect((await saved()).port).toBe(other);
    const second = new HostRole(fixture.state, { call: async () => null } as never);
    await expect(second.start()).rejects.toMatchObject({ code: "port-in-use" });
    const taken = await freePort();
    const { createServer } = await import("node:net");
    const server = createServer().listen(taken, "0.0.0.0");
    await new Promise((resolve) => server.once("listening", resolve));
    onTestFinished(() => void server.close());
    await want(false, taken);
    await role.converge();
    expect((await saved()).port).toBe(other);
    expect(role.observation().problem).toContain(`port ${taken} is taken`);
  });
});
