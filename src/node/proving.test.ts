import { once } from "node:events";
import { createServer } from "node:https";
import { createServer as createTcpServer, type AddressInfo, type Server } from "node:net";
import type { TLSSocket } from "node:tls";
import { expect, onTestFinished, test } from "vitest";
import { adminProcessOf, type KnownProcess } from "../domain/index.ts";
import type { DesiredState } from "../contract/index.ts";
import { encodePem, parseRequestPem, processProfile } from "../pki/index.ts";
import {
  answerProbe,
  ConnectionEpochs,
  guardConnections,
  judgeProbeClient,
  listenerOptions,
  type LoadedTrust,
  ProbeContexts,
} from "../transport/index.ts";
import type { AuthorityId, HostId, ProcessId } from "../kit/index.ts";
import { nodeFixture, nodeHostId, type NodeFixture } from "../../test/support/node-fixture.ts";
import { knownProcess, nowMs, type TestDomain } from "../../test/support/test-domain.ts";
import { waitUntil } from "../../test/support/wait-until.ts";
import { proveEdges } from "./proving.ts";

const noParts = { instances: undefined as never, members: undefined as never };
const next = "management-2" as AuthorityId;
const template = { isProbe: true, notAfterMs: nowMs() + 600_000 };

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

/** A listener that answers probes as an Admin Node Manager with this trust does. */
async function startAdmin(
  domain: TestDomain,
  number: number,
  trust: LoadedTrust,
): Promise<{ known: KnownProcess; accepted: string[] }> {
  const hostId = `host-${number}` as HostId;
  const of = { role: "anm" as const };
  const { identity } = await domain.nodeManager(hostId, { ...of, authorityId: "management-1" });
  const shown = await domain.nodeManager(hostId, { ...of, authorityId: next, template });
  const probes = new ProbeContexts();
  probes.set(next, shown.identity, template.notAfterMs);
  const accepted: string[] = [];
  const known = knownProcess(`nodemanager-${number}`, "anm", hostId, []);
  const onProbe = (socket: TLSSocket): void => {
    const verdict = answerProbe(socket, adminProcessOf(known.id), trust, (peer) =>
      judgeProbeClient(
        peer,
        trust,
        { role: "anm", hostId },
        [knownProcess("nodemanager-1", "nm", nodeHostId, [])],
        Date.now(),
      ),
    );
    if (verdict?.ok === true) accepted.push(verdict.process.id);
  };
  const state = () => ({ identity, trust, probes });
  const rules = { verify: "management", onProbe } as const;
  const server = createServer(listenerOptions(state, rules));
  guardConnections(server, state, rules, new ConnectionEpochs(() => performance.now()));
  return { known: { ...known, port: await listen(server) }, accepted };
}

/** What the control plane answers to a request for a probe certificate. */
function linkOf({ domain }: NodeFixture): Parameters<typeof proveEdges>[1] {
  const call = async (_name: string, { body }: { body: { requestPem: string } }) => {
    const { spki } = parseRequestPem(body.requestPem);
    const { der } = domain.sign(next, spki, {
      ...template,
      profile: processProfile("nm"),
      subjectAltName: [{ type: "uri", value: `spiffe://${domain.id}/nm/${nodeHostId}` }],
    });
    return { certificatePem: encodePem("CERTIFICATE", der), chainPem: "" };
  };
  return { call: call as never };
}

async function site() {
  const node = await nodeFixture();
  const { domain, state } = node;
  await domain.addAuthority(next, "management", "management-1");
  const prove = async (admins: readonly KnownProcess[]): Promise<void> => {
    domain.publish({ anchors: ["management-1", "traffic-1", next], crossed: [next], admins });
    await state.acceptTrust([domain.trust.save().link]);
    state.desired = { revision: 1, instances: [], prove: [next] } as unknown as DesiredState;
    await proveEdges(state, linkOf(node), undefined as never, noParts);
  };
  const isProven = (admin: { id: ProcessId }): boolean =>
    state.proofOf(state.processId, adminProcessOf(admin.id), next)?.verifierEpoch ===
    state.trust.epoch;
  return { node, domain, state, prove, isProven };
}

test("a host proves its edges with every Admin Node Manager, each of which keeps its verdict", async () => {
  const { node, domain, prove, isProven, state } = await site();
  const admins = await Promise.all([8, 9].map((n) => startAdmin(domain, n, domain.trust)));
  await prove(admins.map(({ known }) => known));
  for (const { known, accepted } of admins) {
    // One that is slow is not waited for for long: it is asked again.
    await waitUntil(
      async () => {
        if (!isProven(known)) await proveEdges(state, linkOf(node), undefined as never, noParts);
        return isProven(known);
      },
      { deadlineMs: 5_000, what: `the proof with ${known.id}` },
    );
    expect(new Set(accepted)).toEqual(new Set(["nodemanager-1"]));
  }
});

test("an Admin Node Manager that is dead does not hold up the proof with the others", async () => {
  const { domain, prove, isProven, state } = await site();
  const { known } = await startAdmin(domain, 8, domain.trust);
  const silent = createTcpServer();
  const sockets: { destroy(): void }[] = [];
  silent.on("connection", (socket) => sockets.push(socket));
  const dead = knownProcess("nodemanager-9", "anm", "host-9", [], await listen(silent));
  const begunMs = performance.now();
  await prove([dead, known]);
  expect(performance.now() - begunMs).toBeLessThan(2_000);
  expect(isProven(known)).toBe(true);
  expect(isProven(dead)).toBe(false);
  // While it is waited for, no second connection is made.
  await proveEdges(state, { call: undefined as never }, undefined as never, noParts);
  expect(sockets).toHaveLength(1);
  for (const socket of sockets) socket.destroy();
});

test("an edge is proven only once the Admin Node Manager has loaded the host's epoch", async () => {
  const { node, domain, prove, isProven, state } = await site();
  const behind = domain.trust.copy();
  const admin = await startAdmin(domain, 8, behind);
  const publish = { anchors: ["management-1", "traffic-1", next], crossed: [next] };
  domain.publish({ ...publish, admins: [admin.known] });
  behind.accept([domain.trust.save().link]);
  await state.acceptTrust([domain.trust.save().link]);
  await prove([admin.known]);
  expect(isProven(admin.known)).toBe(false);
  behind.accept([domain.trust.save().link]);
  await waitUntil(
    async () => {
      await proveEdges(state, linkOf(node), undefined as never, noParts);
      return isProven(admin.known);
    },
    { deadlineMs: 5_000, what: "the proof" },
  );
});
