import { Agent, request as httpsRequest } from "node:https";
import type { TLSSocket } from "node:tls";
import { describeError } from "../kit/index.ts";
import { LoadedTrust, ManagedRelyingParty, type SavedTrust } from "../transport/index.ts";

/** What the demonstration tells its load generator at the start. */
export interface LoadOrder {
  readonly server: { readonly address: string; readonly port: number };
  readonly token: string;
  readonly trust: SavedTrust;
  readonly gateways: readonly {
    readonly address: string;
    readonly port: number;
    readonly dnsName: string;
  }[];
}

/** What the load generator says every half second, and a last time when it is told to stop. */
export interface LoadCounts {
  requests: number;
  failedRequests: number;
  handshakes: number;
  failedHandshakes: number;
  lastFailure: string | null;
  epoch: number;
}

const keptAlivePerGateway = 2;
const thinkMs = 6;
const newConnectionEveryMs = 90;
const reportEveryMs = 500;
const requestTimeoutMs = 10_000;

const counts: LoadCounts = {
  requests: 0,
  failedRequests: 0,
  handshakes: 0,
  failedHandshakes: 0,
  lastFailure: null,
  epoch: 0,
};
let isStopping = false;

/** A connection is made under the trust of its moment and remembered with its epoch until it ends. */
const openEpochs = new Map<TLSSocket, number>();

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function agentFor(
  party: ManagedRelyingParty,
  gateway: LoadOrder["gateways"][number],
  keepAlive: boolean,
): Agent {
  return new Agent({
    ca: party.trust.anchorsPem("traffic"),
    servername: gateway.dnsName,
    keepAlive,
    maxSockets: 1,
    maxCachedSessions: 0,
  });
}

function once(agent: Agent, gateway: LoadOrder["gateways"][number], epoch: number): Promise<void> {
  counts.requests += 1;
  return new Promise((resolve) => {
    let isConnected = false;
    const request = httpsRequest({
      agent,
      host: gateway.address,
      port: gateway.port,
      path: "/",
      headers: { host: gateway.dnsName },
      timeout: requestTimeoutMs,
    });
    const fail = (error: unknown): void => {
      counts.failedRequests += 1;
      if (!isConnected) counts.failedHandshakes += 1;
      counts.lastFailure = `${new Date().toISOString()} ${gateway.dnsName}:${gateway.port} ${describeError(error)}`;
      resolve();
    };
    request.once("socket", (socket) => {
      const tls = socket as TLSSocket;
      if (openEpochs.has(tls)) {
        isConnected = true;
        return;
      }
      tls.once("secureConnect", () => {
        isConnected = true;
        counts.handshakes += 1;
        openEpochs.set(tls, epoch);
        tls.once("close", () => openEpochs.delete(tls));
      });
    });
    request.once("timeout", () => request.destroy(new Error("no answer in time")));
    request.once("error", fail);
    request.once("response", (response) => {
      response.resume();
      response.once("error", fail);
      response.once("end", () => {
        if (response.statusCode === 200) resolve();
        else fail(new Error(`status ${response.statusCode}`));
      });
    });
    request.end();
  });
}

/** One caller that keeps its connection, and makes a new one only when trust changes or it is told to. */
async function keepCalling(
  party: ManagedRelyingParty,
  gateway: LoadOrder["gateways"][number],
): Promise<void> {
  let { epoch } = party.trust;
  let agent = agentFor(party, gateway, true);
  while (!isStopping) {
    if (epoch !== party.trust.epoch) {
      agent.destroy();
      epoch = party.trust.epoch;
      agent = agentFor(party, gateway, true);
    }
    await once(agent, gateway, epoch);
    await pause(thinkMs);
  }
  agent.destroy();
}

/** One caller that makes a new connection for every request, to each gateway in turn. */
async function callAnew(
  party: ManagedRelyingParty,
  gateways: LoadOrder["gateways"],
): Promise<void> {
  for (let i = 0; !isStopping; i++) {
    const gateway = gateways[i % gateways.length];
    if (gateway === undefined) return;
    const agent = agentFor(party, gateway, false);
    await once(agent, gateway, party.trust.epoch);
    agent.destroy();
    await pause(newConnectionEveryMs / gateways.length);
  }
}

async function stayInformed(party: ManagedRelyingParty): Promise<void> {
  while (!isStopping) {
    // While the Admin Node Manager is away, what is loaded stays in force.
    await party
      .step(
        () => {},
        () => (openEpochs.size === 0 ? null : Math.min(...openEpochs.values())),
      )
      .catch(() => {});
    counts.epoch = party.trust.epoch;
    process.send?.(counts);
    await pause(reportEveryMs);
  }
}

process.once("message", (order: LoadOrder) => {
  const party = new ManagedRelyingParty({
    server: order.server,
    trust: LoadedTrust.restore(order.trust),
    token: order.token,
  });
  process.on("message", () => (isStopping = true));
  const callers = order.gateways.flatMap((gateway) =>
    Array.from({ length: keptAlivePerGateway }, () => keepCalling(party, gateway)),
  );
  void Promise.all([stayInformed(party), callAnew(party, order.gateways), ...callers]).then(() => {
    process.send?.(counts, () => process.exit(0));
  });
});
process.once("disconnect", () => process.exit(0));
