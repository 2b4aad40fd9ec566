import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdir, writeFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import {
  acceptsProbe,
  installGenerationOf,
  memberAt,
  readStatus,
  runCommand,
  shippedDriver,
  takeRole,
  type Material,
  type MemberAt,
  type PeerMember,
} from "../../../src/drivers/index.ts";
import type { TestAuthority } from "../../support/certificates.ts";
import { onEnd } from "../../support/cleanup.ts";
import { realRoot, serverMaterial } from "../../support/driver-material.ts";
import { freePort } from "../../support/free-port.ts";
import { startLoad, type Load } from "../../support/load/load.ts";
import { postgresql } from "../../support/load/postgresql.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { clientTls, goesOn, isPair, probeOf, untilRoles } from "./pairs.ts";

const bin = "/usr/lib/postgresql/15/bin";
const isRoot = userInfo().uid === 0;
const account = isRoot ? "postgres" : userInfo().username;

interface Server {
  readonly member: MemberAt;
  readonly port: number;
  readonly start: () => Promise<void>;
  readonly kill: () => Promise<void>;
}

async function accountIds(): Promise<{ uid: number; gid: number }> {
  const [uid, gid] = await Promise.all(
    ["-u", "-g"].map(async (flag) =>
      Number((await promisify(execFile)("id", [flag, account])).stdout),
    ),
  );
  return { uid: uid ?? 0, gid: gid ?? 0 };
}

const configuration = (folder: string, port: number): string => `port = ${port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '${folder}'
hba_file = '${folder}/pg_hba.conf'
ssl = on
ssl_key_file = '${folder}/member/current/key.pem'
ssl_cert_file = '${folder}/member/current/certificate.pem'
ssl_ca_file = '${folder}/member/current/trust.pem'
synchronous_standby_names = '*'
fsync = off
wal_retrieve_retry_interval = 200ms
`;
const forRewind = "wal_log_hints = on\nwal_keep_size = 64MB\n";
const access = `local all all trust
hostssl all,replication all 127.0.0.1/32 trust clientcert=verify-ca
`;

function psql({ member }: Server, sql: string): Promise<{ status: number | null; output: string }> {
  const { socketFolder = "", port = "" } = member.values;
  const run = [join(bin, "psql"), "-XAtq", "-h", socketFolder, "-p", port, "postgres", "-c", sql];
  return runCommand({ run, asUser: account });
}

async function pairOf(anchors: Material["anchors"], settings: string): Promise<[Server, Server]> {
  const base = await tempFolder();
  await chmod(base, 0o755);
  const ids = await accountIds();
  const ports = [await freePort(), await freePort()] as const;
  const make = async (name: string, port: number, other: number): Promise<Server> => {
    const folder = join(base, name);
    await mkdir(folder);
    await chown(folder, ids.uid, ids.gid);
    const config = join(folder, "postgresql.conf");
    await writeFile(config, configuration(folder, port) + settings);
    await writeFile(join(folder, "pg_hba.conf"), access);
    const data = join(folder, "data");
    const group = isRoot ? "postgres" : String(ids.gid);
    const fixed = { account, group, data, configuration: config, socketFolder: folder };
    const variables = { ...fixed, folder: join(folder, "member"), port };
    const peer = { id: "prc-0000000000000001" as never, name: "the other", pair: null };
    const description = await shippedDriver("postgresql");
    const others = [{ ...peer, address: "127.0.0.1", variables: { ...variables, port: other } }];
    const member = memberAt({ name, description, variables, others }, anchors);
    let kill = (): Promise<unknown> => Promise.resolve();
    const start = async (): Promise<void> => {
      const [program = "", ...args] = member.description.start?.run ?? [];
      const child = spawn(program, args, { ...ids, stdio: "ignore", cwd: "/" });
      const ended = once(child, "exit");
      kill = () => (child.kill("SIGQUIT"), ended);
      onEnd(kill);
    };
    return {
      member: { ...member, restart: start },
      port,
      start,
      kill: async () => void (await kill()),
    };
  };
  return [await make("a", ports[0], ports[1]), await make("b", ports[1], ports[0])];
}

const unreachableOf = (other: PeerMember): PeerMember => ({
  ...other,
  values: { ...other.values, port: "1" },
});
describe("a pair of PostgreSQL servers", () => {
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

  const form = async (settings = ""): Promise<void> => {
    [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
    both = [oldRoot.certificate, newRoot.certificate];
    [a, b] = await pairOf(both, settings);
    sequence = 1;
    const run = [join(bin, "initdb"), "-D", a.member.values["data"] ?? "", "-U", "postgres", "-N"];
    await runCommand({ run, asUser: account });
    for (const server of [a, b]) {
      const material = await serverMaterial(oldRoot);
      await installGenerationOf(server.member, { sequence, material }, "stopped");
      if (server === a) await a.start();
      if (server === a) {
        await waitUntil(() => readStatus(a.member), { deadlineMs: 10_000, what: "it answers" });
        await psql(
          a,
          "set synchronous_commit = local; create role replication superuser login replication; create table load (worker text, sequence int)",
        );
      }
      await takeRole(server.member, {
        role: server === a ? "active" : "standby",
        by: "hand-over",
      });
      if (server === b) await b.start();
      await installGenerationOf(server.member, { sequence, material }, "started");
    }
    await untilRoles([a, b], "the pair is formed", isPair);
  };

  const startPostgresLoad = async (): Promise<Load> => {
    const client = clientTls({ ...(await serverMaterial(oldRoot)), anchors: both });
    const targets = [a, b].map(({ port }) => ({ host: "127.0.0.1", port }));
    return startLoad({ protocol: postgresql(), targets, tls: () => client });
  };

  /** The server cannot read a key in this form. */
  const expectRefusal = async (): Promise<void> => {
    const { description } = a.member;
    const files = description.files.map((file) =>
      file.what === "key" ? { ...file, format: "DER" as const } : file,
    );
    const member = { ...a.member, description: { ...description, files, servedWithinSeconds: 1 } };
    const material = { ...(await serverMaterial(newRoot)), anchors: both };
    await expect(
      installGenerationOf(member, { sequence: sequence + 1, material }),
    ).rejects.toMatchObject({
      code: "generation-refused",
      message: `postgresql did not take generation ${sequence + 1}; generation ${sequence} is in use again`,
      cause: { code: "timeout" },
    });
    sequence += 1;
  };

  test("takes other keys and CAs, or goes on with what it has, while clients and the replication stay connected", async () => {
    await form();
    const load = await startPostgresLoad();
    await goesOn(load);
    const stranger = probeOf(await serverMaterial(newRoot));
    expect(await acceptsProbe(a.member, stranger)).toBe(false);
    await bring(async () => ({ ...(await serverMaterial(oldRoot)), anchors: both }));
    expect(await acceptsProbe(a.member, stranger)).toBe(true);
    await bring(async () => ({ ...(await serverMaterial(newRoot)), anchors: both }));
    await goesOn(load);
    await expectRefusal();
    await goesOn(load);
    expect(await load.stop()).toMatchObject({ failures: [], idleCloses: 0, lostWrites: 0 });
    await untilRoles([a, b], "the pair is one still", isPair);
    await bring(async () => serverMaterial(newRoot));
    expect(await acceptsProbe(b.member, probeOf(await serverMaterial(oldRoot)))).toBe(false);
    await untilRoles([a, b], "the pair is one still", isPair);
  });

  test("hands over without losing a write, though no write waits for the standby", async () => {
    await form("synchronous_standby_names = ''\n");
    const load = await startPostgresLoad();
    await goesOn(load);
    await takeRole(b.member, { role: "active", by: "hand-over" });
    expect(await readStatus(b.member)).toMatchObject({ role: "standby" });
    await takeRole(a.member, { role: "standby", by: "hand-over" });
    await waitUntil(
      async () => {
        await takeRole(b.member, { role: "active", by: "hand-over" });
        return (await readStatus(b.member))?.role === "active";
      },
      { deadlineMs: 20_000, what: "the other one is active" },
    );
    await untilRoles([b, a], "the other one is active", isPair);
    await goesOn(load);
    const result = await load.stop();
    expect(result.lostWrites).toBe(0);
  });

  test("loses nothing that was acknowledged when the active one dies, which follows when it is back", async () => {
    await form(forRewind);
    const load = await startPostgresLoad();
    await goesOn(load);
    await a.kill();
    await takeRole(b.member, { role: "active", by: "promotion" });
    await goesOn(load);
    const unreachable = { ...a.member, others: a.member.others.map(unreachableOf) };
    await expect(takeRole(unreachable, { role: "standby", by: "promotion" })).rejects.toMatchObject(
      { code: "generation-refused" },
    );
    // Started all the same, it takes no writes, and is rewound at the next look.
    await a.start();
    await waitUntil(() => readStatus(a.member), { deadlineMs: 10_000, what: "it answers" });
    expect(await readStatus(a.member)).toMatchObject({ role: "standby", synchronised: false });
    await takeRole(a.member, { role: "standby", by: "promotion" });
    await untilRoles([b, a], "the other one is active", isPair);
    await takeRole(b.member, { role: "active", by: "promotion" });
    expect((await psql(b, "show synchronous_standby_names")).output).toBe("*\n");
    await goesOn(load);
    const result = await load.stop();
    expect(result.lostWrites).toBe(0);
  });

  test("makes a standby of one that came back as active", async () => {
    await form();
    await a.kill();
    await takeRole(b.member, { role: "active", by: "promotion" });
    await psql(b, "insert into load values ('b', 1)");
    await a.start();
    await waitUntil(() => readStatus(a.member), { deadlineMs: 10_000, what: "it answers" });
    await psql(a, "set synchronous_commit = local; insert into load values ('a', 1)");
    await takeRole(a.member, { role: "standby", by: "promotion" });
    await untilRoles([b, a], "the other one is active", isPair);
    expect((await psql(a, "select worker from load")).output).toBe("b\n");
  });
});
