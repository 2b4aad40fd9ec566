import { once } from "node:events";
import { createServer as createTlsServer } from "node:https";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { ProcessId } from "../kit/index.ts";
import { TestDomain } from "../../test/support/test-domain.ts";
import { ApiCaller } from "./api-caller.ts";
import { dialPreamble, divertDialled, type DialledConnections } from "./dialled.ts";

const id = "nodemanager-1" as ProcessId;

async function listen(server: Server): Promise<number> {
  const open = new Set<Socket>();
  server.on("connection", (socket) => open.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    for (const socket of open) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** An HTTPS server of a new domain. */
async function tlsServer() {
  const domain = await TestDomain.create();
  const { identity } = await domain.nodeManager("host-1", { authorityId: "management-1" });
  const server = createTlsServer(
    { key: identity.keyPem, cert: identity.certificatePem },
    (_request, response) => response.end(JSON.stringify({ revision: 7 })),
  );
  return { domain, server };
}

/** One that shares its port, with those that dialled it. */
async function sharedPort() {
  const { domain, server } = await tlsServer();
  const dialled: { id: ProcessId; socket: Socket }[] = [];
  divertDialled(server, (who, socket) => dialled.push({ id: who, socket }));
  return { domain, dialled, port: await listen(server) };
}

const route = { method: "GET", path: "/x", status: 200 } as never;

function tlsOf(domain: TestDomain) {
  return { ca: domain.trust.anchorsPem("management"), checkServerIdentity: () => undefined };
}

function dial(port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => socket.destroy());
  onTestFinished(() => void socket.destroy());
  return socket;
}

test("a port that is shared serves TLS clients as before", async () => {
  const { domain, port, dialled } = await sharedPort();
  const caller = new ApiCaller({ address: "127.0.0.1", port, prefix: "" }, tlsOf(domain));
  onTestFinished(() => caller.close());
  expect(await caller.call(route)).toEqual({ revision: 7 });
  expect(dialled).toEqual([]);
});

test("a connection that begins with a preamble, in whatever pieces, is given to who takes it", async () => {
  const { port, dialled } = await sharedPort();
  const socket = dial(port);
  await once(socket, "connect");
  const given = new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (dialled.length === 0) return;
      clearInterval(look);
      resolve();
    }, 5);
  });
  for (const piece of ["gate", "house-dial 1 node", "manager-1\n"]) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await given;
  expect(dialled.map((one) => one.id)).toEqual([id]);
});

test.each([
  ["another preamble", "gatehouse-dial 2 nodemanager-1\n"],
  ["more than a preamble", `${dialPreamble(id)}x`],
  ["a preamble without an end", `gatehouse-dial 1 ${"x".repeat(200)}`],
  ["no TLS", "GET / HTTP/1.1\r\n\r\n"],
])("a connection that begins with %s is ended", async (_what, text) => {
  const { port, dialled } = await sharedPort();
  const socket = dial(port);
  const ended = new Promise((resolve) => socket.once("close", resolve));
  socket.resume().write(text);
  await ended;
  expect(dialled).toEqual([]);
});

test("a caller goes over connections that the server has dialled, and says who has proven itself", async () => {
  const { domain, server } = await tlsServer();
  const judged: boolean[] = [];
  const port = await listen(
    createServer((socket) => {
      waiting.shift()?.(socket);
    }),
  );
  const waiting: ((socket: Socket) => void)[] = [];
  const dialled: DialledConnections = {
    take: () =>
      new Promise((resolve) => {
        waiting.push(resolve);
        // What an Admin Node Manager does: whatever arrives goes to its own server.
        const socket = dial(port);
        socket.once("data", (bytes: Buffer) => {
          socket.pause().unshift(bytes);
          server.emit("connection", socket);
        });
      }),
    judged: (_socket, isProven) => judged.push(isProven),
  };
  const at = { address: "192.0.2.1", port: 1, prefix: "", dialled };
  const caller = new ApiCaller(at, tlsOf(domain));
  const stranger = new ApiCaller(at, tlsOf(await TestDomain.create()));
  onTestFinished(() => {
    caller.close();
    stranger.close();
  });
  expect(await Promise.all([caller.call(route), caller.call(route)])).toHaveLength(2);
  expect(judged).toEqual([true, true]);
  await expect(stranger.call(route)).rejects.toMatchObject({ code: "untrusted-server" });
  expect(judged).toEqual([true, true, false]);
});
