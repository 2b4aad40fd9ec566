import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, openSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { initializeHome } from "../../src/admin/offline.ts";
import type { RouteBody, RouteName, RouteParams, RouteResponse } from "../../src/contract/index.ts";
import { until } from "../../src/demo/until.ts";
import { homeLayout } from "../../src/domain/index.ts";
import { joinDomain } from "../../src/node/local.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  LoadedTrust,
  type SavedTrust,
} from "../../src/transport/index.ts";
import { freePort } from "../../test/support/free-port.ts";

type Call = <Name extends RouteName>(
  name: Name,
  input?: { params?: RouteParams<Name>; body?: RouteBody<Name> },
) => Promise<RouteResponse<Name>>;

/** A domain in a temporary folder whose Admin Node Manager is a process of its own. */
export interface BenchDomain {
  readonly adminHome: string;
  readonly adminPort: number;
  readonly admin: ChildProcess & { readonly pid: number };
  readonly trust: LoadedTrust;
  readonly call: Call;
}

const adminProgram = fileURLToPath(new URL("../../dist/admin/main.js", import.meta.url));

/** Initializes a domain below `folder` and starts its Admin Node Manager. `nodeOptions`: for profiling. */
export async function startDomain(
  folder: string,
  nodeOptions: readonly string[] = [],
): Promise<BenchDomain> {
  const adminHome = `${folder}/host-1`;
  const adminPort = await freePort();
  const password = randomBytes(18).toString("base64url");
  await initializeHome(adminHome, {
    domainName: "CN=Bench Domain",
    hostName: "host-1.bench",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager on host-1.bench",
    port: adminPort,
    administrator: { name: "admin", password },
  });
  const { logs } = homeLayout(adminHome);
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const log = openSync(`${logs}/admin.log`, "a", 0o600);
  const admin = spawn(process.execPath, [...nodeOptions, adminProgram, "--home", adminHome], {
    cwd: folder,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const { pid } = admin;
  if (pid === undefined) throw new Error("the Admin Node Manager could not be started");
  const trust = await readTrust(adminHome);
  const call = await logIn(trust, adminPort, password);
  return { adminHome, adminPort, admin: Object.assign(admin, { pid }), trust, call };
}

/** Ends the Admin Node Manager; resolves when it has ended. */
export async function stopDomain({ admin }: BenchDomain): Promise<void> {
  if (admin.exitCode !== null || admin.signalCode !== null) return;
  const ended = new Promise((resolve) => admin.once("exit", resolve));
  admin.kill("SIGTERM");
  await ended;
}

/** Joins a host, whose Node Manager is to listen on `port`, with a fresh token; resolves with its id. */
export async function joinHost(
  domain: BenchDomain,
  { home, name, port }: { home: string; name: string; port: number },
): Promise<string> {
  const { token } = await domain.call("createJoinToken", {
    body: { hostName: name, lifetimeSeconds: 600 },
  });
  const joined = await joinDomain(home, {
    token,
    anmHost: "127.0.0.1",
    anmPort: domain.adminPort,
    hostName: name,
    address: "127.0.0.1",
    nodeManagerName: `Node Manager on ${name}`,
    port,
  });
  if ("awaits" in joined) throw new Error("this domain signs by itself");
  return joined.settings.hostId;
}

async function readTrust(home: string): Promise<LoadedTrust> {
  return LoadedTrust.restore(
    JSON.parse(await readFile(homeLayout(home).trust, "utf8")) as SavedTrust,
  );
}

async function logIn(trust: LoadedTrust, port: number, password: string): Promise<Call> {
  const server = { address: "127.0.0.1", port };
  const open = (): ApiCaller =>
    new ApiCaller(
      { ...server, prefix: apiPrefix },
      adminServerTls({ trust, caller: "user", nowMs: () => Date.now() }),
    );
  let caller = open();
  const { token } = await until("the Admin Node Manager answers", () =>
    callApi(caller, "logIn", { body: { username: "admin", password } }),
  );
  const headers = { authorization: `Bearer ${token}` };
  return async (name, input) => {
    // The trust moves on under a rotation: read anew once it is refused.
    try {
      return await callApi(caller, name, { ...input, headers });
    } catch {
      trust.accept(await fetchTrustLinks(server, trust.epoch));
      caller.close();
      caller = open();
      return callApi(caller, name, { ...input, headers });
    }
  };
}
