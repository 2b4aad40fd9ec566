import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import {
  acceptsProbe,
  installGenerationOf,
  memberAt,
  readStatus,
  shippedDriver,
  takeRole,
  type Material,
  type MemberAt,
} from "../../../src/drivers/index.ts";
import { onEnd } from "../../support/cleanup.ts";
import { realRoot, serverMaterial } from "../../support/driver-material.ts";
import { withSession } from "../../../src/drivers/redis/session.ts";
import type { TestAuthority } from "../../support/certificates.ts";
import { freePort } from "../../support/free-port.ts";
import { startLoad, type Load } from "../../support/load/load.ts";
import { redis } from "../../support/load/redis.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { clientTls, goesOn, isPair, probeOf, untilRoles } from "./pairs.ts";

const password = "a-password-of-tests";
const active = (by: "hand-over" | "promotion") => ({ role: "active", by }) as const;
const standby = (by: "hand-over" | "promotion") => ({ role: "standby", by }) as const;

interface Server {
  readonly member: MemberAt;
  readonly port: number;
  readonly start: () => void;
  readonly kill: () => Promise<void>;
}

const configuration = (base: string, port: number): string => `port 0
tls-port ${port}
bind 127.0.0.1
unixsocket ${base}/socket
tls-replication yes
tls-cert-file ${base}/member/current/certificate.pem
tls-key-file ${base}/member/current/key.pem
tls-ca-cert-file ${base}/member/current/trust.pem
requirepass ${password}
masterauth ${password}
repl-diskless-sync-delay 0
dir ${base}
appendonly yes
`;

async function pairOf(anchors: Material["anchors"]): Promise<[Server, Server]> {
  const base = await tempFolder();
  const passwordFile = join(base, "password");
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  const group = process.getuid?.() === 0 ? "root" : String(process.getgid?.());
  const ports = [await freePort(), await freePort()] as const;
  const make = async (name: string, port: number, other: number): Promise<Server> => {
    const folder = join(base, name);
    await mkdir(folder);
    const config = join(folder, "redis.conf");
    await writeFile(config, configuration(folder, port), { mode: 0o600 });
    const fixed = { passwordFile, group, configuration: config, socket: join(folder, "socket") };
    const variables = { ...fixed, folder: join(folder, "member"), port };
    const peer = { id: "prc-0000000000000001" as never, name: "the other", pair: null };
    const description = await shippedDriver("redis");
    const others = [{ ...peer, address: "127.0.0.1", variables: { ...variables, port: other } }];
    let kill = (): Promise<unknown> => Promise.resolve();
    const start = (): void => {
      const child = spawn("/usr/bin/redis-server", [config], { stdio: "ignore", cwd: folder });
      const ended = once(child, "exit");
      kill = () => (child.kill("SIGKILL"), ended);
      onEnd(kill);
    };
    const member = memberAt({ name, description, variables, others }, anchors);
    return { member, port, start, kill: async () => void (await kill()) };
  };
  return [await make("a", ports[0], ports[1]), await make("b", ports[1], ports[0])];
}

describe("a pair of Redis servers", () => {
  let oldRoot: TestAuthority;
  let newRoot: TestAuthority;
  let a: Server;
  let b: Server;
  let both: Material["anchors"];
  let sequence: number;

  const bring = async (make: () => Promise<Material>): Promise<void> => {
    sequence += 1;
    for (const { member } of [b, a])
      await installGenerationOf(member, { sequence, material: await make() });
  };

  beforeEach(async () => {
    [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
    both = [oldRoot.certificate, newRoot.certificate];
    [a, b] = await pairOf(both);
    sequence = 1;
    for (const server of [a, b]) {
      const material = await serverMaterial(oldRoot);
      await installGenerationOf(server.member, { sequence, material }, "stopped");
      server.start();
      await installGenerationOf(server.member, { sequence, material }, "started");
    }
    await takeRole(a.member, active("hand-over"));
    await takeRole(b.member, standby("hand-over"));
    await untilRoles([a, b], "the pair is formed", isPair);
  });

  const startRedisLoad = async (waitFor = 0): Promise<Load> => {
    const client = clientTls({ ...(await serverMaterial(oldRoot)), anchors: both });
    const targets = [a, b].map(({ port }) => ({ host: "127.0.0.1", port }));
    return startLoad({ protocol: redis({ password, waitFor }), targets, tls: () => client });
  };

  test("takes other keys and CAs while clients and the replication stay connected", async () => {
    const load = await startRedisLoad();
    await goesOn(load);
    const stranger = probeOf(await serverMaterial(newRoot));
    expect(await acceptsProbe(a.member, stranger)).toBe(false);
    await bring(async () => ({ ...(await serverMaterial(oldRoot)), anchors: both }));
    expect(await acceptsProbe(a.member, stranger)).toBe(true);
    await bring(async () => ({ ...(await serverMaterial(newRoot)), anchors: both }));
    await goesOn(load);
    expect(await load.stop()).toMatchObject({ failures: [], idleCloses: 0, lostWrites: 0 });
    await untilRoles([a, b], "the pair is one still", isPair);
    await bring(async () => serverMaterial(newRoot));
    expect(await acceptsProbe(b.member, probeOf(await serverMaterial(oldRoot)))).toBe(false);
    await untilRoles([a, b], "the pair is one still", isPair);
  });

  test("goes on with what it has when it refuses a file", async () => {
    const load = await startRedisLoad();
    const { description } = a.member;
    const files = description.files.map((file) =>
      file.what === "key" ? { ...file, format: "DER" as const } : file,
    );
    const material = await serverMaterial(oldRoot);
    await expect(
      installGenerationOf(
        { ...a.member, description: { ...description, files } },
        { sequence: 2, material },
      ),
    ).rejects.toMatchObject({
      code: "generation-refused",
      message: "redis did not take generation 2; generation 1 is in use again",
      cause: { message: expect.stringContaining("CONFIG: ERR CONFIG SET failed") as string },
    });
    await goesOn(load);
    expect(await load.stop()).toMatchObject({ failures: [], lostWrites: 0 });
  });

  test("is asked over TLS where there is no socket, by its own CAs and with its own certificate", async () => {
    const { values, description } = a.member;
    const overTls = { ...a.member, values: { ...values, socket: "/nowhere" } };
    expect(await readStatus(overTls)).toMatchObject({ role: "active", synchronised: true });
    const strangers = { ...overTls, anchors: [newRoot.certificate] };
    expect(await readStatus(strangers)).toBeNull();
    const login = { user: "default", password: { exec: ["echo", "another"] } };
    const unknown = readStatus({ ...overTls, description: { ...description, login } });
    await expect(unknown).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(unknown).rejects.not.toMatchObject({
      message: expect.stringContaining("another") as string,
    });
  });

  test("hands over without losing a write, and keeps the roles through a restart", async () => {
    const load = await startRedisLoad();
    await goesOn(load);
    await takeRole(a.member, standby("hand-over"));
    await takeRole(b.member, active("hand-over"));
    await untilRoles([b, a], "the other one is active", isPair);
    await goesOn(load);
    const result = await load.stop();
    expect(result.lostWrites).toBe(0);
    // What waited for the hand-over is answered by a replica then; each of the three workers had one.
    expect(result.failed).toBeLessThanOrEqual(3);
    for (const server of [a, b]) {
      await server.kill();
      server.start();
    }
    await untilRoles([b, a], "the roles are as before", isPair);
  });

  test("gives up a hand-over to an address that is not reached, and goes on as before", async () => {
    await withSession(b.member, async (call) => {
      await call("CONFIG", "SET", "replica-announce-ip", "127.0.0.9");
      await call("REPLICAOF", "NO", "ONE");
      await call("REPLICAOF", "127.0.0.1", String(a.port));
    });
    await untilRoles([a, b], "the pair is one again", isPair);
    await expect(takeRole(a.member, standby("hand-over"))).rejects.toMatchObject({
      message: expect.stringContaining("replica-announce-ip") as string,
    });
    await untilRoles([a, b], "the pair is as before", isPair);
  });

  test("hands over also while it holds nothing", async () => {
    await takeRole(a.member, standby("hand-over"));
    await takeRole(b.member, active("hand-over"));
    await untilRoles([b, a], "the other one is active", isPair);
  });

  test("loses nothing that a replica had acknowledged when the active one dies, which follows when it is back", async () => {
    const load = await startRedisLoad(1);
    await goesOn(load);
    await a.kill();
    await takeRole(b.member, active("promotion"));
    await takeRole(a.member, standby("promotion"));
    a.start();
    const back = () => readStatus(a.member);
    const first = await waitUntil(back, { deadlineMs: 15_000, what: "it is back" });
    expect(first?.role).toBe("standby");
    await untilRoles([b, a], "the other one is active", isPair);
    await goesOn(load);
    const result = await load.stop();
    expect(result.lostWrites).toBe(0);
  });

  test("makes a standby of one that came back as active", async () => {
    await a.kill();
    await takeRole(b.member, active("promotion"));
    a.start();
    await untilRoles([a], "it is back", (roles) => roles.startsWith("active"));
    await takeRole(a.member, standby("promotion"));
    await untilRoles([b, a], "the other one is active", isPair);
  });
});
