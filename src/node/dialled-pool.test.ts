import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { ProcessId } from "../kit/index.ts";
import { waitUntil } from "../../test/support/wait-until.ts";
import { DialledPool } from "./dialled-pool.ts";

const id = "nodemanager-1" as ProcessId;

/** A pool, and how to dial it from an address of this machine. */
async function poolWithPort() {
  const pool = new DialledPool((who) => who === id);
  const accepted = new Map<number, Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    accepted.set(socket.remotePort ?? 0, socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const clients: Socket[] = [];
  onTestFinished(() => {
    pool.close();
    server.close();
    for (const socket of [...clients, ...accepted.values()]) socket.destroy();
  });
  /** Dials and says who it is; gives both ends. */
  const dial = async (localAddress: string, who = id) => {
    const client = connect({ host: "127.0.0.1", port, localAddress });
    client.on("error", () => client.destroy());
    clients.push(client);
    await once(client, "connect");
    const arrived = (): Socket | undefined => accepted.get(client.localPort ?? 0);
    await waitUntil(() => arrived() !== undefined, {
      deadlineMs: 5_000,
      what: "the connection arrives",
    });
    const socket = arrived() ?? expect.unreachable();
    pool.offer(who, socket);
    return { client, socket };
  };
  return { pool, dial };
}

const genuine = "127.0.0.1";

test("connections from an address that has proven itself are used first, whoever else dials", async () => {
  const { pool, dial } = await poolWithPort();
  const first = await dial(genuine);
  expect(await pool.of(id).take()).toBe(first.socket);
  pool.of(id).judged(first.socket, true);
  const second = await dial(genuine);
  for (let n = 2; n < 40; n++) await dial(`127.0.0.${n}`);
  expect(pool.size).toBeLessThanOrEqual(8 * 2);
  expect(await pool.of(id).take()).toBe(second.socket);
});

test("one address has no more than two connections, the newest", async () => {
  const { pool, dial } = await poolWithPort();
  const all = [];
  for (let n = 0; n < 5; n++) all.push(await dial(genuine));
  await waitUntil(() => pool.size === 2, { deadlineMs: 5_000, what: "the others are ended" });
  expect(all.map(({ socket }) => socket.destroyed)).toEqual([true, true, true, false, false]);
});

test("connections from an address that has failed to prove itself are used last", async () => {
  const { pool, dial } = await poolWithPort();
  const stranger = await dial("127.0.0.2");
  expect(await pool.of(id).take()).toBe(stranger.socket);
  pool.of(id).judged(stranger.socket, false);
  const other = await dial(genuine);
  await dial("127.0.0.2");
  expect(await pool.of(id).take()).toBe(other.socket);
});

test("one that is needed is waited for, and used at once when it comes", async () => {
  const { pool, dial } = await poolWithPort();
  const taken = pool.of(id).take();
  const { socket } = await dial(genuine);
  expect(await taken).toBe(socket);
  expect(pool.size).toBe(0);
  await expect(pool.of(id).take()).rejects.toMatchObject({ code: "unreachable" });
});

test("who names an unknown process, says something too early, or goes away has no place", async () => {
  const { pool, dial } = await poolWithPort();
  const unknown = await dial(genuine, "nodemanager-9" as ProcessId);
  expect(unknown.socket.destroyed).toBe(true);
  const early = await dial("127.0.0.2");
  const gone = await dial("127.0.0.3");
  expect(pool.size).toBe(2);
  early.client.write("hello");
  gone.client.destroy();
  await waitUntil(() => pool.size === 0, { deadlineMs: 5_000, what: "both have lost their place" });
});
