import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { homeLayout, type NodeSettings } from "../domain/index.ts";
import { initializeHome } from "../admin/offline.ts";
import { joinDomain } from "../node/local.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  LoadedTrust,
  type SavedTrust,
} from "../transport/index.ts";
import type { RouteBody, RouteName, RouteParams, RouteResponse } from "../contract/index.ts";
import type { Children } from "./children.ts";
import type { DemoOptions } from "./options.ts";
import { until } from "./until.ts";

const services = ["orders", "payments"] as const;

/** A domain that runs, and how to call its Admin Node Manager as the administrator. */
export interface DemoDomain {
  readonly homes: readonly string[];
  readonly admin: {
    readonly address: string;
    readonly port: number;
    readonly user: string;
    readonly passwordFile: string;
  };
  readonly gateways: readonly {
    readonly id: string;
    readonly address: string;
    readonly port: number;
    readonly dnsName: string;
  }[];
  readonly trust: SavedTrust;
  call<Name extends RouteName>(
    name: Name,
    input?: { params?: RouteParams<Name>; body?: RouteBody<Name> },
  ): Promise<RouteResponse<Name>>;
}

/** Builds the domain as an operator would: initialize, join, create instances, start. */
export async function buildDomain(
  options: DemoOptions,
  children: Children,
  say: (text: string) => void,
): Promise<DemoDomain> {
  const homes = Array.from({ length: options.hosts }, (_, i) => `${options.home}/host-${i + 1}`);
  const ports = await freePorts(options.hosts + 2 * options.instances);
  const password = randomBytes(18).toString("base64url");
  const passwordFile = `${options.home}/admin-password`;
  await mkdir(options.home, { recursive: true, mode: 0o700 });
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  const [firstHome = "", ...otherHomes] = homes;
  const [adminPort = 0] = ports;
  say("making the domain and its first Admin Node Manager");
  await initializeHome(firstHome, {
    domainName: "CN=Domain",
    hostName: "host-1.demo",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager on host-1.demo",
    port: adminPort,
    administrator: { name: "admin", password },
  });
  await writeFile(
    homeLayout(firstHome).managedomainProps,
    `username=admin\npassword_file=${passwordFile}\n`,
    { mode: 0o600 },
  );
  const upstreamPorts = await children.startUpstreams();
  await startHost(firstHome, children);
  const { call, trust } = await logIn(firstHome, adminPort, password);
  for (const [i, home] of otherHomes.entries()) {
    say(`joining host-${i + 2}`);
    const hostName = `host-${i + 2}.demo`;
    const { token } = await call("createJoinToken", { body: { hostName, lifetimeSeconds: 600 } });
    await joinDomain(home, {
      token,
      anmHost: "127.0.0.1",
      anmPort: adminPort,
      hostName,
      address: "127.0.0.1",
      nodeManagerName: `Node Manager on ${hostName}`,
      port: ports[i + 1] ?? 0,
    });
    await startHost(home, children);
  }
  say(`creating ${options.instances} gateway instances`);
  const gateways = await createInstances(options, call, upstreamPorts, ports.slice(options.hosts));
  return {
    homes,
    gateways,
    trust,
    call,
    admin: { address: "127.0.0.1", port: adminPort, user: "admin", passwordFile },
  };
}

async function startHost(home: string, children: Children): Promise<void> {
  const { logs } = homeLayout(home);
  await mkdir(logs, { recursive: true, mode: 0o700 });
  children.startNode(home, `${logs}/node.log`);
}

type Call = DemoDomain["call"];

async function logIn(
  home: string,
  port: number,
  password: string,
): Promise<{ call: Call; trust: SavedTrust }> {
  const layout = homeLayout(home);
  const settings = JSON.parse(await readFile(layout.nodeSettings, "utf8")) as NodeSettings;
  const trust = LoadedTrust.restore(JSON.parse(await readFile(layout.trust, "utf8")) as SavedTrust);
  const server = { address: "127.0.0.1", port };
  // The trust moves on under a rotation: it is read anew whenever the server is refused.
  const api = (): ApiCaller =>
    new ApiCaller(
      { address: "127.0.0.1", port, prefix: apiPrefix },
      adminServerTls({ trust, caller: "user", nowMs: () => Date.now() }),
    );
  let caller = api();
  const { token } = await until(`the Admin Node Manager of ${settings.hostId} answers`, () =>
    callApi(caller, "logIn", { body: { username: "admin", password } }),
  );
  const call: Call = async (name, input) => {
    const headers = { authorization: `Bearer ${token}` };
    try {
      return await callApi(caller, name, { ...input, headers });
    } catch {
      trust.accept(await fetchTrustLinks(server, trust.epoch));
      caller.close();
      caller = api();
      return callApi(caller, name, { ...input, headers });
    }
  };
  return { call, trust: trust.save() };
}

async function createInstances(
  options: DemoOptions,
  call: Call,
  upstreamPorts: readonly number[],
  ports: readonly number[],
): Promise<DemoDomain["gateways"]> {
  const gateways = [];
  for (let i = 0; i < options.instances; i++) {
    const service = services[i % services.length] ?? "orders";
    const dnsName = `${service}.demo.test`;
    const upstream = `http://127.0.0.1:${upstreamPorts[i % services.length]}`;
    const instance = await call("createInstance", {
      body: {
        name: `${service}-${Math.floor(i / services.length) + 1}`,
        group: service,
        hostId: `host-${(Math.floor(i / services.length) % options.hosts) + 1}` as never,
        managementPort: ports[2 * i] ?? 0,
        servicesPort: ports[2 * i + 1] ?? 0,
        configuration: {
          dnsNames: [dnsName],
          routes: [{ host: null, pathPrefix: "/", upstreams: [upstream], healthPath: "/" }],
        },
      },
    });
    await call("setInstanceEnabled", { params: { id: instance.id }, body: { enabled: true } });
    gateways.push({ id: instance.id, address: "127.0.0.1", port: instance.servicesPort, dnsName });
  }
  await until("every instance runs and presents its certificates", async () => {
    const { groups } = await call("getTopology");
    const { credentials } = await call("listCredentials");
    const running = groups
      .flatMap((group) => group.instances)
      .filter((instance) => instance.state === "running").length;
    if (running < options.instances || credentials.some((credential) => !credential.onWire))
      throw new Error(`${running} of ${options.instances} instances run`);
  });
  return gateways;
}

/** Ports that nobody listens on now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address !== null ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
