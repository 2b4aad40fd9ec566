import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, onTestFinished, test } from "vitest";
import { FakeClock } from "../support/fake-clock.ts";
import { serverOnLoopback } from "../support/postgresql.ts";
import { testServer } from "../support/shared-store.ts";
import { tempFolder } from "../support/temp-folder.ts";

const dayMs = 86_400_000;

interface Reading {
  readonly nowMs: number;
  readonly monotonicMs: number;
  readonly timerMs: number;
  readonly handshake: string;
}

/** Says, at every line it gets, what its clocks show and how a handshake with itself ends. */
const program = `
const { readFileSync } = require("node:fs");
const tls = require("node:tls");
const cert = readFileSync("certificate.pem");
const server = tls.createServer({ cert, key: readFileSync("key.pem") });
server.on("tlsClientError", () => {}).listen(0, "127.0.0.1");
const handshake = () => new Promise((resolve) => {
  const { port } = server.address();
  const socket = tls.connect({ port, host: "127.0.0.1", ca: cert, servername: "test" });
  socket.once("secureConnect", () => resolve("ok"));
  socket.once("error", (error) => resolve(error.code));
});
require("node:readline").createInterface({ input: process.stdin }).on("line", async () => {
  const begun = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const timerMs = performance.now() - begun;
  const reading = { nowMs: Date.now(), monotonicMs: performance.now(), timerMs };
  console.log(JSON.stringify({ ...reading, handshake: await handshake() }));
});`;

/** A certificate that names `test` and is valid for ten days, in a new folder. */
async function folderWithCertificate(): Promise<string> {
  const cwd = await tempFolder();
  const [key, names] = ["ec_paramgen_curve:P-256", "subjectAltName=DNS:test"];
  const made = ["-keyout", "key.pem", "-out", "certificate.pem", "-days", "10", "-nodes"];
  const args = ["-newkey", "ec", "-pkeyopt", key, "-subj", "/CN=test", "-addext", names, ...made];
  execFileSync("openssl", ["req", "-x509", ...args], { cwd, stdio: "ignore" });
  return cwd;
}

async function startReader(clock: FakeClock): Promise<() => Promise<Reading>> {
  const child = spawn(process.execPath, ["-e", program], {
    cwd: await folderWithCertificate(),
    env: { ...process.env, ...clock.environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout });
  return async () => {
    child.stdin.write("\n");
    const [line] = (await once(lines, "line")) as [string];
    return JSON.parse(line) as Reading;
  };
}

test("FakeClock moves the date of a running process and its certificates' ends, and neither its timers nor the machine's clock", async () => {
  const clock = await FakeClock.start();
  const read = await startReader(clock);
  const before = await read();
  expect(Math.abs(before.nowMs - Date.now())).toBeLessThan(5_000);
  expect(before.handshake).toBe("ok");
  await clock.moveTo("+7d");
  const week = await read();
  const elapsedMs = week.monotonicMs - before.monotonicMs;
  expect(elapsedMs).toBeLessThan(5_000);
  expect(Math.abs(week.nowMs - before.nowMs - 7 * dayMs - elapsedMs)).toBeLessThan(100);
  expect(week).toMatchObject({ handshake: "ok" });
  await clock.moveTo("+11d");
  const late = await read();
  expect(late.handshake).toBe("CERT_HAS_EXPIRED");
  for (const { timerMs } of [before, week, late]) expect(Math.abs(timerMs - 100)).toBeLessThan(90);
  await clock.moveTo("-1h");
  expect((await read()).nowMs).toBeLessThan(Date.now());
  expect(Math.abs(performance.timeOrigin + performance.now() - Date.now())).toBeLessThan(1_000);
});

test("FakeClock moves the date of a running PostgreSQL server, whose waits go on as before", async () => {
  const clock = await FakeClock.start();
  const server = await testServer({ ...serverOnLoopback, environment: clock.environment });
  await clock.moveTo("+7d");
  const [now] = await server.query("select clock_timestamp() as now", "postgres");
  expect(Math.abs(Number(now?.["now"]) - Date.now() - 7 * dayMs)).toBeLessThan(5_000);
  const begunMs = performance.now();
  await server.query("select pg_sleep(0.2)", "postgres");
  expect(performance.now() - begunMs).toBeGreaterThan(150);
  expect(performance.now() - begunMs).toBeLessThan(5_000);
});
