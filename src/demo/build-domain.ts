import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
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
import { createInstances } from "./create-instances.ts";
import type { DemoOptions } from "./options.ts";
import { freePorts } from "./free-ports.ts";
import { lastLine } from "./last-line.ts";
import { until } from "./until.ts";

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
  ending: AbortSignal,
): Promise<DemoDomain> {
  const homes = Array.from({ length: options.hosts }, (_, i) => `${options.home}/host-${i + 1}`);
  const ports = await freePorts(options.hosts + 2 * options.instances);
  const [firstHome = "", ...otherHomes] = homes;
  const [adminPort = 0] = ports;
  say("making the domain and its first Admin Node Manager");
  const { password, passwordFile } = await makeFirstHost(options.home, firstHome, adminPort);
  const upstreamPorts = await children.startUpstreams();
  await startHost(firstHome, children);
  const { call, trust } = await logIn(firstHome, adminPort, password, ending);
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
  const gateways = await createInstances(
    options,
    call,
    upstreamPorts,
    ports.slice(options.hosts),
    ending,
  );
  return {
    homes,
    gateways,
    trust,
    call,
    admin: { address: "127.0.0.1", port: adminPort, user: "admin", passwordFile },
  };
}

async function makeFirstHost(
  folder: string,
  home: string,
  port: number,
): Promise<{ password: string; passwordFile: string }> {
  const password = randomBytes(18).toString("base64url");
  const passwordFile = `${folder}/admin-password`;
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  await initializeHome(home, {
    domainName: "CN=Domain",
    hostName: "host-1.demo",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager on host-1.demo",
    port,
    administrator: { name: "admin", password },
  });
  await writeFile(
    homeLayout(home).managedomainProps,
    `username=admin\npassword_file=${passwordFile}\n`,
    { mode: 0o600 },
  );
  return { password, passwordFile };
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
  ending: AbortSignal,
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
  const { token } = await until(
    `the Admin Node Manager of ${settings.hostId} answers`,
    () =>
      callApi(caller, "logIn", { body: { username: "admin", password } }).catch(async (cause) => {
        throw new Error(await lastLine(`${layout.logs}/admin.log`), { cause });
      }),
    undefined,
    ending,
  );
  const call: Call = async (name, input) => {
    ending.throwIfAborted();
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
