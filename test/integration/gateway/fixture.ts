import { createServer, type IncomingMessage, type RequestListener, type Server } from "node:http";
import { Agent, request, type AgentOptions, type RequestOptions } from "node:https";
import type { AddressInfo } from "node:net";
import { text as textOf } from "node:stream/consumers";
import type { TLSSocket } from "node:tls";
import { onTestFinished } from "vitest";
import type { InstanceSettings, InstanceStatus } from "../../../src/contract/index.ts";
import type { Denial, KnownProcess, Route } from "../../../src/domain/index.ts";
import { defaultLimits, Gateway, type GatewayOptions } from "../../../src/gateway/index.ts";
import type { HostId } from "../../../src/kit/index.ts";
import { ApiCaller, mutualTls, type Identity } from "../../../src/transport/index.ts";
import { freePort } from "../../support/free-port.ts";
import { InstanceFolder } from "../../support/instance-folder.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { knownProcess, TestDomain, type TestCredential } from "../../support/test-domain.ts";

export const hostId = "host-1" as HostId;
export const dnsName = "api.example";

/** A domain with one host: its Node Manager, and the folder of one instance, not yet started. */
export interface Site {
  readonly domain: TestDomain;
  readonly folder: InstanceFolder;
  readonly settings: InstanceSettings;
  readonly nodeManager: TestCredential;
  readonly management: TestCredential;
  readonly traffic: TestCredential;
  /** The instance as the host document has it. */
  readonly instance: KnownProcess;
}

export async function makeSite(routes: readonly Route[] = []): Promise<Site> {
  const domain = await TestDomain.create();
  const folder = new InstanceFolder(await tempFolder());
  const [managementPort, servicesPort] = [await freePort(), await freePort()];
  const nodeManager = await domain.nodeManager(hostId, { authorityId: "management-1" });
  const management = await domain.gateway("instance-1", { authorityId: "management-1" });
  const traffic = await domain.traffic(dnsName, { authorityId: "traffic-1" });
  const instance = knownProcess("instance-1", "gateway", hostId, [management], managementPort);
  const settings = {
    id: "instance-1",
    name: "one",
    groupId: "group-1",
    hostId,
    managementPort,
    servicesPort,
    configuration: { routes: [...routes], dnsNames: [dnsName] },
  } as unknown as InstanceSettings;
  domain.publishHost(hostId, [
    knownProcess("nodemanager-1", "nm", hostId, [nodeManager]),
    instance,
  ]);
  await folder.writeSettings(settings);
  await folder.writeTrust(domain);
  await folder.present("management", management);
  await folder.present("traffic", traffic);
  return { domain, folder, settings, nodeManager, management, traffic, instance };
}

/** A started instance and its callers; everything ends with the test. */
export class Running {
  readonly site: Site;
  readonly gateway: Gateway;
  readonly log: string[];

  private constructor(site: Site, gateway: Gateway, log: string[]) {
    this.site = site;
    this.gateway = gateway;
    this.log = log;
  }

  static async start(site: Site, options: Partial<GatewayOptions> = {}): Promise<Running> {
    const log: string[] = [];
    const line = (...parts: unknown[]): void => void log.push(JSON.stringify(parts));
    const gateway = await Gateway.start({
      home: site.folder.home,
      log: { info: line, warn: line, error: line },
      nowMs: () => Date.now(),
      monotonicMs: () => performance.now(),
      servicesAddress: "127.0.0.1",
      drainTimes: { noticeMs: 0, quietMs: 0, deadlineMs: 0 },
      limits: { ...defaultLimits, connectTimeoutMs: 1_000 },
      ...options,
    });
    onTestFinished(() => gateway.stop());
    return new Running(site, gateway, log);
  }

  /** The host's Node Manager, or whoever shows `identity`, as a caller of the management port. */
  caller(identity: Identity = this.site.nodeManager.identity): ApiCaller {
    const { domain, instance } = this.site;
    const tls = mutualTls({
      identity,
      trust: domain.trust,
      self: { role: "nm", hostId },
      target: instance,
      nowMs: () => Date.now(),
    });
    const caller = new ApiCaller({ address: "127.0.0.1", port: instance.port, prefix: "" }, tls);
    onTestFinished(() => caller.close());
    return caller;
  }

  /** A plain HTTPS request to the management port, with what the caller shows. */
  ask(path: string, tls: RequestOptions, body?: string): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const asked = request({
        agent: false,
        host: "127.0.0.1",
        port: this.site.settings.managementPort,
        path,
        rejectUnauthorized: false,
        ...tls,
      });
      asked.on("error", reject);
      asked.once("response", (answer) => {
        const status = answer.statusCode ?? 0;
        textOf(answer).then((text) => resolve({ status, text }), reject);
      });
      asked.end(body);
    });
  }

  /** Writes trust as the domain has it now, and reloads through the management port. */
  async reloadTrust(): Promise<InstanceStatus> {
    await this.site.folder.writeTrust(this.site.domain);
    return this.gateway.reload();
  }

  get servicesPort(): number {
    return this.site.settings.servicesPort;
  }

  /** A kept-alive client of the services port that trusts `caPem`. */
  client(options: AgentOptions = {}): TrafficClient {
    const caPem = options.ca ?? this.site.domain.caPem("traffic-1");
    return new TrafficClient(this.servicesPort, { ca: caPem, ...options });
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** Serial number of the certificate that the server showed on this connection. */
  readonly serial: string;
  readonly reused: boolean;
}

export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** A caller of the services port from outside. */
export class TrafficClient {
  readonly #port: number;
  readonly #agent: Agent;

  constructor(port: number, tls: AgentOptions) {
    this.#port = port;
    this.#agent = new Agent({ keepAlive: true, servername: dnsName, ...tls });
    onTestFinished(() => this.close());
  }

  /** Ends the connections. */
  close(): void {
    this.#agent.destroy();
  }

  get(path: string, { method = "GET", headers = {}, body }: Ask = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked = request({
        agent: this.#agent,
        host: "127.0.0.1",
        port: this.#port,
        path,
        method,
        headers: { host: dnsName, ...headers },
      });
      let serial = "";
      asked.once("socket", (socket) => {
        const read = (): void => {
          serial = (socket as TLSSocket).getPeerCertificate().serialNumber?.toLowerCase() ?? "";
        };
        if (socket.connecting) socket.once("secureConnect", read);
        else read();
      });
      asked.on("error", reject);
      asked.once("response", (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("error", reject);
        answer.once("end", () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            body: Buffer.concat(chunks).toString("utf8"),
            serial,
            reused: asked.reusedSocket,
          }),
        );
      });
      asked.end(body);
    });
  }
}

/** An upstream server on a port of its own; `at` asks for a certain one. */
export async function upstream(
  listener: RequestListener,
  at = 0,
): Promise<{ origin: string; server: Server; port: number; close(): Promise<void> }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(at, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  onTestFinished(() => (server.listening ? close() : undefined));
  return { origin: `http://127.0.0.1:${port}`, server, port, close };
}

export const route = (upstreams: string[], more: Partial<Route> = {}): Route => ({
  host: null,
  pathPrefix: "/",
  upstreams,
  healthPath: null,
  ...more,
});

/** Denies the key of a credential. */
export const denial = (credential: TestCredential): Denial => ({
  kind: "key",
  fingerprint: credential.fingerprint,
  reason: "stolen",
});

/** Keeps `count` clients asking `path`, each on a kept-alive or, every second one, on new connections. */
export function keepAsking(
  running: Running,
  { count, path, ca }: { count: number; path: string; ca?: string[] },
): { stop(): Promise<{ answers: Answer[]; failures: unknown[] }> } {
  let going = true;
  const answers: Answer[] = [];
  const failures: unknown[] = [];
  const one = async (keepAlive: boolean): Promise<void> => {
    const client = running.client({ keepAlive, ...(ca === undefined ? {} : { ca }) });
    while (going) {
      try {
        const answer = await client.get(path);
        answers.push(answer);
        if (answer.status !== 200) failures.push(answer);
      } catch (error) {
        failures.push(error);
      }
    }
    client.close();
  };
  const all = Array.from({ length: count }, (_each, i) => one(i % 2 === 0));
  return {
    stop: async () => {
      going = false;
      await Promise.all(all);
      return { answers, failures };
    },
  };
}

/** What a TLS client shows. */
export const shown = (identity: Identity): RequestOptions => ({
  key: identity.keyPem,
  cert: identity.certificatePem,
});
