import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:https";
import { connect, createServer as listen, type AddressInfo, type Socket } from "node:net";
import { dirname } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { DesiredState } from "../contract/index.ts";
import type { Dial, NodeSettings } from "../domain/index.ts";
import type { ProcessId } from "../kit/index.ts";
import { freePort } from "../../test/support/free-port.ts";
import { nodeFixture } from "../../test/support/node-fixture.ts";
import { knownProcess } from "../../test/support/test-domain.ts";
import { AdminReach } from "./admin-reach.ts";

const adminId = "nodemanager-9" as ProcessId;

/** A host that is dialled or not, which an Admin Node Manager tells to change; it listens or not. */
async function site(dial: Dial, isListening: boolean) {
  const { domain, state } = await nodeFixture();
  await mkdir(dirname(state.layout.nodeSettings), { recursive: true });
  const admin = await domain.nodeManager("host-9", { authorityId: "management-1", role: "anm" });
  const server = createServer(
    { key: admin.identity.keyPem, cert: admin.identity.certificatePem },
    (_request, response) => response.end(JSON.stringify({ links: [] })),
  );
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const told = isListening ? port : await freePort();
  domain.publish({ admins: [knownProcess(adminId, "anm", "host-9", [admin], told)] });
  await state.acceptTrust([domain.trust.save().link]);
  state.desired = { dial: dial === "nm" ? "anm" : "nm" } as DesiredState;
  await state.changeSettings({ dial });
  await rm(state.layout.nodeSettings);
  const { settings } = state;
  const reach = new AdminReach(state, { tryAgainMs: 0 });
  onTestFinished(() => {
    reach.pool.close();
    server.close();
    server.closeAllConnections();
  });
  const saved = async (): Promise<NodeSettings> =>
    JSON.parse(await readFile(state.layout.nodeSettings, "utf8")) as NodeSettings;
  return { reach, server, port, saved, settings };
}

/** What the Node Manager sees of a connection that `server` has dialled: its own end of a pair. */
async function dialledBy(server: { emit(name: "connection", socket: Socket): boolean }) {
  const port = listen();
  port.listen(0, "127.0.0.1");
  await once(port, "listening");
  const arrives = once(port, "connection");
  const client = connect((port.address() as AddressInfo).port, "127.0.0.1");
  client.once("data", (bytes: Buffer) => {
    client.pause().unshift(bytes);
    server.emit("connection", client);
  });
  client.on("error", () => client.destroy());
  onTestFinished(() => {
    client.destroy();
    port.close();
  });
  const [socket] = (await arrives) as [Socket];
  return socket;
}

test("a host that is to be dialled dials on until an Admin Node Manager has proven itself over a dialled connection", async () => {
  const { reach, server, saved, settings } = await site("nm", true);
  await reach.follow();
  expect(reach.dial).toBe("nm");
  // Somebody who is no Admin Node Manager proves nothing.
  const stranger = createServer({}, () => {});
  reach.pool.offer(adminId, await dialledBy(stranger));
  await reach.follow();
  expect(reach.dial).toBe("nm");
  reach.pool.offer(adminId, await dialledBy(server));
  await reach.follow();
  expect(reach.dial).toBe("anm");
  expect(await saved()).toEqual({ ...settings, dial: "anm" });
});

test("a host that is to dial goes on as it is until it reaches an Admin Node Manager", async () => {
  const cut = await site("anm", false);
  await cut.reach.follow();
  expect(cut.reach.dial).toBe("anm");
  await expect(cut.saved()).rejects.toMatchObject({ code: "ENOENT" });
  const open = await site("anm", true);
  await open.reach.follow();
  expect(open.reach.dial).toBe("nm");
  expect(await open.saved()).toMatchObject({ dial: "nm" });
});
