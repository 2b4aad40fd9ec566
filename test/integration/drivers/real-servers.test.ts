import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { connect as connectTls } from "node:tls";
import { describe, expect, test } from "vitest";
import {
  acceptsProbe,
  fingerprintOf,
  installedState,
  installGenerationOf,
  readStatus,
  renderFiles,
  servedFingerprint,
  type Description,
  type Material,
  type MemberAt,
  type ProbeCredential,
} from "../../../src/drivers/index.ts";
import { certificatesPem, privateKeyToPem } from "../../../src/keys/index.ts";
import { realRoot, serverMaterial } from "../../support/driver-material.ts";
import { revocationList } from "../../support/revocation-list.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { realServer, serverKinds, type Paths, type RealServer } from "./servers.ts";

function served({ member }: RealServer): Promise<string> {
  const [port] = member.description.served;
  return port === undefined ? Promise.reject(new Error("no port")) : servedFingerprint(port);
}

/** The same member with a description that differs in this. */
function changed(member: MemberAt, change: Partial<Description>): MemberAt {
  return { ...member, description: { ...member.description, ...change } };
}

function accepts({ member, port }: RealServer, { key, leaf }: Material): Promise<boolean> {
  const probe = {
    privateKeyPem: privateKeyToPem(key),
    certificateChainPem: certificatesPem([leaf]),
  };
  return member.description.trust.proof === undefined
    ? getsTicket(port, probe)
    : acceptsProbe(member, probe);
}

/**
 * In TLS 1.3 the client's handshake is over before it is known whether it is taken: a server that
 * took it sends a session ticket, another one an alert (RFC 8446 4.6.1).
 */
async function getsTicket(port: number, probe: ProbeCredential): Promise<boolean> {
  const socket = connectTls({
    port,
    host: "127.0.0.1",
    rejectUnauthorized: false,
    key: probe.privateKeyPem,
    cert: probe.certificateChainPem,
  });
  try {
    return await new Promise((resolve) => {
      socket.once("session", () => resolve(true));
      socket.on("error", () => resolve(false));
      socket.once("close", () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}

/** A server that runs with its first generation. */
async function running(server: RealServer, material: Material): Promise<void> {
  const generation = { sequence: 1, material };
  await installGenerationOf(server.member, generation, "stopped");
  server.start();
  await installGenerationOf(server.member, generation, "started");
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
    await installGenerationOf(server.member, { sequence: 2, material: second });
    expect(await served(server)).toBe(fingerprintOf(second.leaf.der));

    const wrongKey = { ...third, key: first.key };
    await expect(
      installGenerationOf(server.member, { sequence: 3, material: wrongKey }),
    ).rejects.toMatchObject({ code: "invalid-input" });
    expect(await served(server)).toBe(fingerprintOf(second.leaf.der));

    if (kind.hasCheck) {
      const text = await readFile(server.configuration, "utf8");
      await writeFile(server.configuration, `${text}\nnonsense {\n`);
      await expect(
        installGenerationOf(server.member, { sequence: 3, material: third }),
      ).rejects.toMatchObject({
        code: "generation-refused",
        message: `${kind.driver} did not take generation 3; generation 2 is in use again`,
      });
      expect(await served(server)).toBe(fingerprintOf(second.leaf.der));
      await writeFile(server.configuration, text);
    }
    await installGenerationOf(server.member, { sequence: 3, material: third });
    expect(await served(server)).toBe(fingerprintOf(third.leaf.der));
    if (server.member.description.status !== undefined)
      expect(await readStatus(server.member)).not.toBeNull();
  });

  test.runIf(kind.driver === "nginx")(
    "has the last good one again when it goes on serving an old certificate",
    async () => {
      const root = await realRoot();
      const [first, second] = [await serverMaterial(root), await serverMaterial(root)];
      const server = await realServer(kind);
      await running(server, first);
      const deaf = changed(server.member, { reload: { run: ["true"] }, servedWithinSeconds: 1 });
      const tried = installGenerationOf(deaf, { sequence: 2, material: second });
      await expect(tried).rejects.toMatchObject({ code: "generation-refused" });
      expect(await served(server)).toBe(fingerprintOf(first.leaf.der));
      expect(
        await readFile(
          join(server.member.description.folder, "current", "generation.json"),
          "utf8",
        ),
      ).toContain(fingerprintOf(first.leaf.der));
    },
  );

  test("trusts an old and a new CA at once, then the new one, when its driver says so", async () => {
    const [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
    const [first, second] = [await serverMaterial(oldRoot), await serverMaterial(newRoot)];
    const server = await realServer(kind);
    await running(server, first);
    const [oldClient, newClient] = [await serverMaterial(oldRoot), await serverMaterial(newRoot)];
    expect(await accepts(server, oldClient)).toBe(true);
    expect(await accepts(server, newClient)).toBe(false);
    const { restart, trust } = server.member.description;
    // What is restarted by systemd is not, here: its driver says that a reload is not enough.
    const isOutside = restart !== undefined && "run" in restart;
    const takesEffect = isOutside ? "reload" : trust.takesEffect;
    const member = changed(server.member, { trust: { ...trust, takesEffect } });
    const both = { ...first, anchors: [oldRoot.certificate, newRoot.certificate] };
    await installGenerationOf(member, { sequence: 2, material: both });
    if (isOutside) {
      expect(await accepts(server, newClient)).toBe(false);
      return;
    }
    await waitUntil(() => accepts(server, newClient), {
      deadlineMs: 10_000,
      what: "clients of the new CA are accepted",
    });
    expect(await accepts(server, oldClient)).toBe(true);
    await installGenerationOf(member, { sequence: 3, material: second });
    await waitUntil(async () => !(await accepts(server, oldClient)), {
      deadlineMs: 10_000,
      what: "clients of the old CA are refused",
    });
    expect(await accepts(server, newClient)).toBe(true);
  });
});

test("files that were placed by hand are taken over by a swap, and come back when it fails", async () => {
  const stunnel = serverKinds.find(({ driver }) => driver === "stunnel");
  if (stunnel === undefined) throw new Error("there is no stunnel");
  const byHand = (at: Paths): string => join(at.base, "by-hand");
  const { member, configuration, start } = await realServer({
    ...stunnel,
    text: (at) => stunnel.text({ ...at, current: byHand(at) }),
  });
  const folder = join(dirname(configuration), "by-hand");
  const files = member.description.files.map((each) => ({
    ...each,
    path: join(folder, each.path),
  }));
  const swapped = changed(member, { visible: "swap", files });
  const root = await realRoot();
  const [old, first] = [await serverMaterial(root), await serverMaterial(root)];
  await mkdir(folder);
  for (const { path, bytes } of renderFiles(files, old, new Map()))
    await writeFile(path, bytes, { mode: 0o640 });
  start();
  const [port] = swapped.description.served;
  if (port === undefined) throw new Error("there is no port");
  await waitUntil(() => servedFingerprint(port), { deadlineMs: 10_000, what: "stunnel runs" });

  const deaf = changed(swapped, { reload: { run: ["true"] }, servedWithinSeconds: 1 });
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
  expect(await installedState(swapped.description)).toEqual({ current: 1, good: 1, changed: [] });
});

test("a server that needs revocation lists gets one of every CA in the same generation", async () => {
  const nginx = serverKinds.find(({ driver }) => driver === "nginx");
  if (nginx === undefined) throw new Error("there is no nginx");
  const server = await realServer({
    ...nginx,
    text: (at) => nginx.text(at).replace("ssl_verify", `ssl_crl ${at.current}/crl.pem; ssl_verify`),
  });
  const { files } = server.member.description;
  const member = changed(server.member, { files: [...files, { what: "crl", path: "crl.pem" }] });
  const [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
  const anchors = [oldRoot.certificate, newRoot.certificate];
  const dayOn = Date.now() + 86_400_000;
  const [old, own] = [await revocationList(oldRoot, dayOn), await revocationList(newRoot, dayOn)];
  const first = { ...(await serverMaterial(oldRoot)), crls: [old] };
  await running({ ...server, member }, first);
  const clients = [await serverMaterial(oldRoot), await serverMaterial(newRoot)];
  const both = { ...first, anchors };
  await expect(installGenerationOf(member, { sequence: 2, material: both })).rejects.toMatchObject({
    code: "invalid-input",
    message: expect.stringContaining("no revocation list of the trusted CA CN=New") as string,
  });
  const material = { ...both, crls: [old, own] };
  await installGenerationOf(member, { sequence: 2, material });
  for (const client of clients) expect(await accepts(server, client)).toBe(true);
});
