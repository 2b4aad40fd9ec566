import { once } from "node:events";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { installGenerationOf, type Material } from "../../../src/drivers/index.ts";
import { certificatesPem, privateKeyToPem } from "../../../src/keys/index.ts";
import { onEnd } from "../../support/cleanup.ts";
import { realRoot, serverMaterial } from "../../support/driver-material.ts";
import { etcd } from "../../support/load/etcd.ts";
import { http } from "../../support/load/http.ts";
import { startLoad, type Protocol } from "../../support/load/load.ts";
import { mqtt } from "../../support/load/mqtt.ts";
import { nats } from "../../support/load/nats.ts";
import type { ClientTls } from "../../support/load/wire.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { realServer, serverKinds, type RealServer } from "./servers.ts";

const protocols: Readonly<Record<string, Protocol>> = {
  nginx: http(),
  haproxy: http(),
  stunnel: http(),
  nats: nats(),
  etcd: etcd(),
  mosquitto: mqtt(),
};
const kinds = serverKinds.filter(({ driver }) => driver in protocols);

function clientTls({ key, leaf, anchors }: Material): ClientTls {
  return {
    key: privateKeyToPem(key),
    cert: certificatesPem([leaf]),
    ca: certificatesPem(anchors),
  };
}

/** What is behind a server that speaks no protocol of its own. */
async function answerHttp(port: number): Promise<void> {
  const server = createServer((_, answer) => answer.end("ok")).listen(port, "127.0.0.1");
  onEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
}

/** stunnel opens its listening sockets anew at a reload: it resets who is connecting at that moment. */
const isUnexpected =
  (driver: string) =>
  (failure: string): boolean =>
    driver !== "stunnel" || !/ECONNRESET|ECONNREFUSED|disconnected before secure/.test(failure);

/** A restart that the driver asks systemd for is done by the test. */
function isRestartedByTest({ member }: RealServer): boolean {
  const { restart, trust } = member.description;
  return trust.takesEffect === "restart" && restart !== undefined && "run" in restart;
}

async function bring(server: RealServer, sequence: number, material: Material): Promise<void> {
  if (!isRestartedByTest(server)) return installGenerationOf(server.member, { sequence, material });
  await installGenerationOf(server.member, { sequence, material }, "stopped");
  await server.stop();
  server.start();
  await installGenerationOf(server.member, { sequence, material }, "started");
}

test.each(kinds)(
  "under load, $driver takes another key and another CA, and loses nothing",
  async (kind) => {
    const [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
    const anchors = [oldRoot.certificate, newRoot.certificate];
    const server = await realServer(kind);
    if (kind.driver === "stunnel") await answerHttp(server.otherPort);
    const first = await serverMaterial(oldRoot);
    await installGenerationOf(server.member, { sequence: 1, material: first }, "stopped");
    server.start();
    await installGenerationOf(server.member, { sequence: 1, material: first }, "started");

    let client = { ...(await serverMaterial(oldRoot)), anchors };
    const load = startLoad({
      protocol: protocols[kind.driver] as Protocol,
      targets: [{ host: "127.0.0.1", port: server.port }],
      tls: () => ({ ...clientTls(client), servername: "host-1" }),
    });
    const goesOn = () => {
      const seen = load.operations();
      return waitUntil(() => load.operations() > seen + 20, {
        deadlineMs: 10_000,
        what: `calls of ${kind.driver} succeed`,
      });
    };
    await goesOn();
    await installGenerationOf(server.member, {
      sequence: 2,
      material: await serverMaterial(oldRoot),
    });
    await goesOn();
    expect(load.failures().filter(isUnexpected(kind.driver))).toEqual([]);
    await bring(server, 3, { ...(await serverMaterial(oldRoot)), anchors });
    client = { ...(await serverMaterial(newRoot)), anchors };
    await goesOn();
    await bring(server, 4, await serverMaterial(newRoot));
    await goesOn();
    const { failures, lostWrites } = await load.stop();
    if (!isRestartedByTest(server)) expect(failures.filter(isUnexpected(kind.driver))).toEqual([]);
    expect(lostWrites).toBe(0);
  },
);
