import { once } from "node:events";
import { createServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { currentSequence } from "../keys/index.ts";
import { DomainError, type ProcessId } from "../kit/index.ts";
import { encodePem, parseRequestPem } from "../pki/index.ts";
import { nodeFixture, nodeHostId, type NodeFixture } from "../../test/support/node-fixture.ts";
import { knownProcess } from "../../test/support/test-domain.ts";
import { waitUntil } from "../../test/support/wait-until.ts";
import { AdminChoice } from "./admin-choice.ts";
import { AdminLink } from "./admin-link.ts";

/** An Admin Node Manager that lets the host back in, and does nothing else. */
async function startAdmin({ domain, state }: NodeFixture): Promise<void> {
  const admin = await domain.nodeManager("host-9", { authorityId: "management-1", role: "anm" });
  const server = createServer(
    { key: admin.identity.keyPem, cert: admin.identity.certificatePem },
    (request, response) => {
      void request.toArray().then((chunks: Buffer[]) => {
        const body = JSON.parse(Buffer.concat(chunks).toString() || "{}") as { requestPem: string };
        const answer = request.url?.endsWith("/return-nonces")
          ? { nonce: "00".repeat(32) }
          : admission(body.requestPem);
        response.writeHead(request.method === "GET" ? 404 : 201).end(JSON.stringify(answer));
      });
    },
  );
  const admission = (requestPem: string | undefined): unknown =>
    requestPem === undefined
      ? {}
      : {
          certificatePem: encodePem(
            "CERTIFICATE",
            domain.sign("management-1", parseRequestPem(requestPem).spki, {}).der,
          ),
          authorityId: "management-1",
          sequence: 2,
          renewFromMs: 0,
          renewUntilMs: 0,
          hostDocument: domain.trust.save().host,
          trust: [],
        };
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  domain.publish({ admins: [knownProcess("anm-1", "anm", "host-9", [admin], port)] });
  await state.acceptTrust([domain.trust.save().link]);
}

test.each(["load the new key", "do not answer"])(
  "a host that comes back presents its new certificate after its instances %s",
  async (what) => {
    const node = await nodeFixture();
    const { state, domain } = node;
    await startAdmin(node);
    domain.publishHost(nodeHostId, [knownProcess("nodemanager-1", "nm", nodeHostId, [])]);
    const seen: unknown[] = [];
    const reloadAll = async (): Promise<void> => {
      const sequence = await currentSequence(state.layout.nodeCredential);
      seen.push({ sequence, hostVersion: state.trust.host?.version });
      if (what === "do not answer") throw new DomainError("not-running", "instance-1 is away");
    };
    const link = new AdminLink(state, { reloadAll });
    const refusal = new DomainError("forbidden", "x", { context: { refusal: "expired" } });
    expect(await link.recover(refusal)).toBe(true);
    expect(seen).toEqual([{ sequence: 1, hostVersion: 2 }]);
    expect(await currentSequence(state.layout.nodeCredential)).toBe(2);
  },
);

interface Served {
  readonly id: ProcessId;
  readonly port: number;
  readonly requests: string[];
  status: number;
  /** Answers are held back. */
  isStuck: boolean;
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Admin Node Managers in the order in which the host prefers them; each answers every call. */
async function startAdmins({ domain, state }: NodeFixture, count: number): Promise<Served[]> {
  const served: Served[] = [];
  const known = [];
  for (let n = 1; n <= count; n++) {
    const admin = await domain.nodeManager(`host-9${n}`, {
      authorityId: "management-1",
      role: "anm",
    });
    const one: Served = {
      id: `nodemanager-9${n}` as ProcessId,
      port: 0,
      requests: [],
      status: 200,
      isStuck: false,
    };
    const server = createServer(
      { key: admin.identity.keyPem, cert: admin.identity.certificatePem },
      (request, response) => {
        one.requests.push(request.url ?? "");
        const isTrust = request.url?.includes("/trust");
        const body = isTrust ? { links: [] } : { revision: n };
        if (!one.isStuck) response.writeHead(one.status).end(JSON.stringify(body));
      },
    );
    Object.assign(one, { port: await listen(server) });
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    served.push(one);
    known.push(knownProcess(one.id, "anm", `host-9${n}`, [admin], one.port));
  }
  domain.publish({ admins: known });
  await state.acceptTrust([domain.trust.save().link]);
  const order = new AdminChoice(state.hostId).order(known).map(({ id }) => id);
  return served.toSorted((a, b) => order.indexOf(a.id) - order.indexOf(b.id));
}

const noInstances = { reloadAll: async () => {} };
const query = { revision: 0, epoch: 0, waitMs: 0, bootId: "boot-id-1" };

describe("a call", () => {
  const link = (
    node: NodeFixture,
    of: { choice?: AdminChoice; answerMsMax?: number; spreadMsMax?: number } = {},
  ): AdminLink => {
    const made = new AdminLink(node.state, noInstances, { answerMsMax: 300, ...of });
    onTestFinished(() => made.close());
    return made;
  };
  const revisionFrom = async (of: AdminLink): Promise<number> =>
    (await of.call("getDesiredState", { query })).revision;
  const numberOf = ({ id }: Served): number => Number(id.slice(-1));

  test("goes to the next Admin Node Manager when one answers 503, and stays there", async () => {
    const node = await nodeFixture();
    const [first, second] = (await startAdmins(node, 2)) as [Served, Served];
    const called = link(node);
    expect(await revisionFrom(called)).toBe(numberOf(first));
    first.status = 503;
    expect(await revisionFrom(called)).toBe(numberOf(second));
    first.status = 200;
    expect(await revisionFrom(called)).toBe(numberOf(second));
    expect(node.state.admin?.id).toBe(second.id);
    expect(node.lines.filter((line) => line.includes("an Admin Node Manager answers"))).toEqual([
      expect.stringContaining(`"admin":"${first.id}"`),
      expect.stringContaining(`"admin":"${second.id}"`),
    ]);
  });

  test("goes to the next one when nothing answers, at once when the port refuses", async () => {
    const node = await nodeFixture();
    const [first, second] = (await startAdmins(node, 2)) as [Served, Served];
    const { domain, state } = node;
    const silent = createTcpServer();
    const silentPort = await listen(silent);
    const sockets = new Set<{ destroy(): void }>();
    silent.on("connection", (socket) => sockets.add(socket));
    onTestFinished(() => {
      silent.close();
      for (const socket of sockets) socket.destroy();
    });
    const moveFirst = async (port: number): Promise<void> => {
      const admins = domain.trust.document.admins.map((admin) =>
        admin.id === first.id ? { ...admin, port } : admin,
      );
      domain.publish({ admins });
      await state.acceptTrust([domain.trust.save().link]);
    };
    await moveFirst(silentPort);
    const begunMs = performance.now();
    expect(await revisionFrom(link(node))).toBe(numberOf(second));
    expect(sockets.size).toBe(1);
    expect(performance.now() - begunMs).toBeGreaterThan(250);
    const refusing = createTcpServer();
    const refusingPort = await listen(refusing);
    refusing.close();
    await moveFirst(refusingPort);
    const againMs = performance.now();
    expect(await revisionFrom(link(node))).toBe(numberOf(second));
    expect(performance.now() - againMs).toBeLessThan(1_000);
  });

  test("that waits goes on elsewhere as soon as another call finds the server dead", async () => {
    const node = await nodeFixture();
    const [first, second] = (await startAdmins(node, 2)) as [Served, Served];
    const called = link(node);
    first.isStuck = true;
    const long = called.call("getDesiredState", { query: { ...query, waitMs: 30_000 } }, 30_000);
    await waitUntil(() => first.requests.length === 1, {
      deadlineMs: 5_000,
      what: "the long question",
    });
    expect(await revisionFrom(called)).toBe(numberOf(second));
    expect((await long).revision).toBe(numberOf(second));
    expect(first.requests).toHaveLength(2);
  });

  test("that waits goes on elsewhere at a random moment, and one that has work to do at once", async () => {
    const node = await nodeFixture();
    const [first] = (await startAdmins(node, 2)) as [Served, Served];
    first.status = 503;
    const millisecondsOf = async (waitMs: number): Promise<number> => {
      const begunMs = performance.now();
      const called = link(node, { answerMsMax: 10_000, spreadMsMax: 3_000 });
      await called.call("getDesiredState", { query }, waitMs);
      return performance.now() - begunMs;
    };
    expect(await millisecondsOf(0)).toBeLessThan(1_500);
    const tookMs = await Promise.all(Array.from({ length: 10 }, () => millisecondsOf(1)));
    expect(Math.max(...tookMs) - Math.min(...tookMs)).toBeGreaterThan(700);
  });

  test("fails with what the last one said when no Admin Node Manager serves", async () => {
    const node = await nodeFixture();
    for (const one of await startAdmins(node, 3)) one.status = 503;
    await expect(revisionFrom(link(node))).rejects.toMatchObject({ code: "untrusted-server" });
  });

  test("goes back to the preferred one some time after that serves again", async () => {
    const node = await nodeFixture();
    const [first, second] = (await startAdmins(node, 2)) as [Served, Served];
    let nowMs = 0;
    const choice = new AdminChoice(node.state.hostId, {
      monotonicMs: () => nowMs,
      random: () => 0.5,
    });
    const called = link(node, { choice });
    first.status = 503;
    expect(await revisionFrom(called)).toBe(numberOf(second));
    expect(await revisionFrom(called)).toBe(numberOf(second));
    nowMs += 120_000;
    expect(await revisionFrom(called)).toBe(numberOf(second));
    const looks = (): number => first.requests.filter((url) => url.includes("/trust")).length;
    await waitUntil(() => looks() === 1, {
      deadlineMs: 5_000,
      what: "a look at the preferred one",
    });
    first.status = 200;
    nowMs += 120_000;
    await waitUntil(async () => (await revisionFrom(called)) === numberOf(first), {
      deadlineMs: 5_000,
      what: "the preferred one to be called",
    });
    expect(looks()).toBe(2);
  });
});
