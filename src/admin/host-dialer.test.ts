import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import type { ProcessId } from "../kit/index.ts";
import { waitUntil } from "../../test/support/wait-until.ts";
import { HostDialer } from "./host-dialer.ts";

const within = { deadlineMs: 10_000 };

/** A Node Manager's port, and what was dialled to it. */
async function port(at = 0) {
  const arrived: Socket[] = [];
  const texts: string[] = [];
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", (bytes: Buffer) => texts.push(bytes.toString()));
    arrived.push(socket);
  });
  server.listen(at, "127.0.0.1");
  await once(server, "listening");
  const close = (): void => {
    server.close();
    for (const socket of arrived) socket.destroy();
  };
  onTestFinished(close);
  return { arrived, texts, close, number: (server.address() as AddressInfo).port };
}

function dialerTo(target: number) {
  const begun: Socket[] = [];
  const dialer = new HostDialer(
    { host: "127.0.0.1", port: target },
    "nodemanager-1" as ProcessId,
    (socket) => begun.push(socket),
  );
  onTestFinished(() => {
    dialer.close();
    for (const socket of begun) socket.destroy();
  });
  dialer.keep();
  return { dialer, begun };
}

test("two connections are kept ready: one that is used is given to the server with its first bytes, and replaced", async () => {
  const { arrived, texts, number } = await port();
  const { dialer, begun } = dialerTo(number);
  await waitUntil(() => texts.length === 2, { ...within, what: "two are ready" });
  expect(texts).toEqual(Array(2).fill("gatehouse-dial 1 nodemanager-1\n"));
  expect(dialer.isInUse(performance.now())).toBe(false);
  arrived[0]?.write("hello");
  await waitUntil(() => texts.length === 3, { ...within, what: "a third takes its place" });
  expect(begun.map((socket) => (socket.read() as Buffer).toString())).toEqual(["hello"]);
  expect(dialer.isInUse(performance.now())).toBe(true);
  dialer.close();
  await waitUntil(
    () => arrived.slice(1).every(({ destroyed, readableEnded }) => destroyed || readableEnded),
    {
      ...within,
      what: "those that are not used are ended",
    },
  );
  expect(begun[0]?.destroyed).toBe(false);
});

test("a host that was away is dialled again when it is back", async () => {
  const first = await port();
  dialerTo(first.number);
  await waitUntil(() => first.texts.length === 2, { ...within, what: "two are ready" });
  first.close();
  const second = await port(first.number);
  await waitUntil(() => second.texts.length === 2, { ...within, what: "two are ready again" });
});
