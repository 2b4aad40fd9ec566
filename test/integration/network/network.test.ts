import { execFile, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { makeLasting } from "../../support/cleanup.ts";
import { spawnAt, TestNetwork } from "../../support/network.ts";
import { runPrefix } from "../../support/no-leftovers.ts";
import { waitUntil } from "../../support/wait-until.ts";

/** A server on a host that answers each connection with the host's name. */
async function serve(network: TestNetwork, name: string): Promise<void> {
  const code = `require("node:net").createServer((s) => s.end("${name}")).listen(4000, "0.0.0.0", () => console.log("up"))`;
  const { exec } = network.host(name);
  const child = spawnAt(exec, [process.execPath, "-e", code], { stdio: ["ignore", "pipe", 2] });
  onTestFinished(() => ended(child));
  await once(child.stdout ?? child, "data");
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** What a host gets from another one's server; null: nothing within half a second. */
async function ask(network: TestNetwork, from: string, to: string): Promise<string | null> {
  const { address } = network.host(to);
  const code = `const s = require("node:net").connect(4000, "${address}");
    setTimeout(() => process.exit(1), 500);
    s.on("data", (d) => { console.log(String(d)); process.exit(0) })`;
  const [program, ...args] = [...network.host(from).exec, process.execPath, "-e", code];
  return promisify(execFile)(program, args).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
}

test("a cut host reaches nobody but itself, the others each other, and all is well after healing", async () => {
  const network = await TestNetwork.create();
  for (const name of ["a", "b", "c"]) {
    await network.addHost(name);
    await serve(network, name);
  }
  expect(await ask(network, "a", "b")).toBe("b");
  await network.isolate("a");
  expect(await ask(network, "a", "a")).toBe("a");
  expect(await ask(network, "a", "b")).toBeNull();
  expect(await ask(network, "b", "a")).toBeNull();
  expect(await ask(network, "b", "c")).toBe("c");
  await network.heal();
  expect(await ask(network, "b", "a")).toBe("a");
  await network.cut(["a"], ["b"]);
  expect(await ask(network, "a", "b")).toBeNull();
  expect(await ask(network, "a", "c")).toBe("c");
});

/** Datagrams that reach a host, as they come. */
async function receive(network: TestNetwork, name: string): Promise<string[]> {
  const code = `require("node:dgram").createSocket("udp4").on("message", (m) => console.log(String(m)))
    .bind(4000, "0.0.0.0", () => console.log("up"))`;
  const { exec } = network.host(name);
  const child = spawnAt(exec, [process.execPath, "-e", code], { stdio: ["ignore", "pipe", 2] });
  onTestFinished(() => ended(child));
  const received: string[] = [];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => received.push(text.trim()));
  await waitUntil(() => received.shift() === "up", { deadlineMs: 5_000, what: "it listens" });
  return received;
}

async function send(network: TestNetwork, from: string, to: string): Promise<void> {
  const { address } = network.host(to);
  const code = `const s = require("node:dgram").createSocket("udp4");
    s.send("${from}", 4000, "${address}", () => s.close())`;
  const [program, ...args] = [...network.host(from).exec, process.execPath, "-e", code];
  await promisify(execFile)(program, args);
}

test("a cut one way drops what one host sends, and nothing of the other way", async () => {
  const network = await TestNetwork.create();
  for (const name of ["a", "b", "c"]) await network.addHost(name);
  const [atA, atB] = [await receive(network, "a"), await receive(network, "b")];
  await network.cutOneWay("b", "a");
  await send(network, "b", "a");
  await send(network, "a", "b");
  await send(network, "c", "a");
  await waitUntil(() => atA.length > 0 && atB.length > 0, { deadlineMs: 5_000, what: "both" });
  expect({ atA, atB }).toEqual({ atA: ["c"], atB: ["a"] });
});

test("nothing of a network is left when it is removed, also when it could not be made", async () => {
  const ours = (): string[] => [
    ...readdirSync("/run/netns").filter((name) => name.startsWith(runPrefix())),
    ...Object.keys(networkInterfaces()).filter((name) => name.startsWith("gh")),
  ];
  const before = ours();
  const { remove } = await makeLasting(async () => {
    const network = await TestNetwork.create();
    await network.addHost("a");
  });
  expect(ours().length).toBeGreaterThan(before.length);
  await remove();
  await waitUntil(() => ours().length === before.length, { deadlineMs: 5_000, what: "it is gone" });
  const failing = makeLasting(async () => {
    await (await TestNetwork.create()).addHost("a");
    throw new Error("in the middle");
  });
  await expect(failing).rejects.toThrow("in the middle");
  await waitUntil(() => ours().length === before.length, { deadlineMs: 5_000, what: "it is gone" });
});
