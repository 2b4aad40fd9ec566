import { readFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, test } from "vitest";
import { onEnd } from "../support/cleanup.ts";
import { exampleFolder } from "../support/driver-description.ts";
import { freePort } from "../support/free-port.ts";
import { ProgramRuns } from "../support/program-runs.ts";
import { waitUntil } from "../support/wait-until.ts";

/** Answers with what it is sent; resolves with its port. */
async function echo(): Promise<number> {
  const server = createServer((socket) => socket.pipe(socket).on("error", () => socket.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** One call through the tunnel, which ends with its connection; resolves with the issuer's name. */
function call(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", servername: "tunnel.example", ca });
    socket.setTimeout(10_000, () => socket.destroy(new Error("no answer")));
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("closed without an answer")));
    socket.once("data", (data) => {
      if (String(data) === "hello") resolve(socket.getPeerX509Certificate()?.issuer ?? "");
      else reject(new Error(`it answers ${String(data)}`));
      socket.destroy();
    });
    socket.write("hello");
  });
}

/** Sends and reads over one connection until it is told to stop; resolves with how often it was answered. */
function goOn(port: number, ca: string): { calls: () => number; end: () => Promise<number> } {
  const socket = connect({ port, host: "127.0.0.1", servername: "tunnel.example", ca });
  let calls = 0;
  let isOver = false;
  const closed = new Promise<number>((resolve, reject) => {
    socket.on("error", reject);
    socket.on("close", () => (isOver ? resolve(calls) : reject(new Error("it was closed"))));
  });
  closed.catch(() => undefined);
  socket.on("data", () => {
    calls += 1;
    if (isOver) socket.destroy();
    else socket.write("hello");
  });
  socket.write("hello");
  const end = (): Promise<number> => {
    isOver = true;
    return closed;
  };
  return { calls: () => calls, end };
}

test("the files and commands of the example run stunnel, and replace its CA while connections through it go on", async () => {
  const runs = await ProgramRuns.open();
  const port = await freePort();
  const behind = await echo();
  for (const name of ["driver.yaml", "services.yaml", "tunnel.conf"]) {
    const text = await readFile(join(exampleFolder, name), "utf8");
    const here = text
      .replaceAll("/var/lib/gatehouse-members", runs.folder)
      .replaceAll(/\/(?:etc\/stunnel|run)\//g, `${runs.folder}/`)
      .replaceAll("8465", String(port))
      .replaceAll("2525", String(behind));
    await runs.write(name, here);
  }
  await runs.startDomain();
  expect(await runs.done("gatehouse apply -f services.yaml --home one")).toContain("tunnel");
  const trusted = (): string => readFileSync(runs.path("tunnel/current/trust.pem"), "utf8");
  await waitUntil(() => call(port, trusted()).catch(() => null), {
    deadlineMs: 30_000,
    what: "stunnel serves its certificate",
  });
  const before = await call(port, trusted());
  const caller = goOn(port, trusted());
  onEnd(() => void caller.end());
  const rotation = "gatehouse plan rotate-ca --service tunnel --start --follow --home one";
  await runs.done(`${rotation} --waive-unmanaged 'callers read the CAs at each call' --observe 1`);
  const calls = caller.calls();
  await waitUntil(() => caller.calls() > calls + 20, { deadlineMs: 30_000, what: "calls go on" });
  await caller.end();
  const after = await call(port, trusted());
  expect(after).not.toBe(before);
  await runs.done("gatehouse service delete tunnel --home one");
});
