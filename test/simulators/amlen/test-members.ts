import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { request as requestTls } from "node:https";
import { dirname, join } from "node:path";
import { connect } from "node:tls";
import { onEnd } from "../../support/cleanup.ts";
import { tempFolder } from "../../support/temp-folder.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { AmlenServer, type AmlenServerOptions } from "./amlen-server.ts";
import { loopbackHost, type LoopbackHost } from "./loopback-host.ts";
import type { MemberLeaf } from "./member-certificates.ts";
import type { ObjectName } from "./configuration-objects.ts";
import type { LogName } from "./server-folder.ts";
import { noPair } from "./high-availability.ts";

/** Fast enough that a synchronisation takes 0.08 s. */
const defaultSpeed = 100;

/** A member of the running test, killed at its end, and where it is. */
export interface TestMember {
  readonly server: AmlenServer;
  readonly host: LoopbackHost;
  /** Of `server`, for a process of its own. */
  readonly options: AmlenServerOptions;
}

export async function testMember(changes: Partial<AmlenServerOptions> = {}): Promise<TestMember> {
  const host = loopbackHost();
  const options: AmlenServerOptions = {
    folder: await tempFolder(),
    addresses: [host.admin, host.discovery, host.replication],
    speed: defaultSpeed,
    ...changes,
  };
  const server = new AmlenServer(options);
  onEnd(() => server.kill());
  return { server, host, options };
}

/** Two members with high availability configured, over TLS unless said, and not started. */
export async function testPair(
  settings: object = {},
  options: Partial<AmlenServerOptions> = {},
): Promise<[TestMember, TestMember]> {
  const a = await testMember(options);
  const b = await testMember(options);
  configurePair(a, b, { PreferredPrimary: true, ...settings });
  configurePair(b, a, settings);
  return [a, b];
}

function configurePair(member: TestMember, other: TestMember, settings: object): void {
  configure(member, "HighAvailability", {
    EnableHA: true,
    Group: "pair",
    RemoteDiscoveryNIC: other.host.discovery,
    LocalDiscoveryNIC: member.host.discovery,
    LocalReplicationNIC: member.host.replication,
    UseSecuredConnections: true,
    ...settings,
  });
}

/** Sets properties of a configuration object for a member's next start. */
export function configure({ server }: TestMember, name: ObjectName, properties: object): void {
  const { configuration } = server.folder.state;
  const object = { ...configuration[name], ...properties };
  server.folder.keep({ configuration: { ...configuration, [name]: object } });
}

export async function start(...members: readonly TestMember[]): Promise<void> {
  await Promise.all(members.map(({ server }) => server.start()));
}

/** Restarts a member over its admin endpoint, as an administrator does. */
export async function restart(member: TestMember, more: object = {}): Promise<Reply> {
  return call(member, "POST", "service/restart", { Service: "Server", ...more });
}

/** The subject that a listener shows to whoever connects; undefined if it shows none. */
export async function shownSubject(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate()?.subject);
      socket.destroy();
    });
    socket.on("error", () => resolve(undefined));
    socket.on("close", () => resolve(undefined));
  });
}

/** What a listener says first to a client, which has a certificate or none; empty if it closes instead. */
export async function saysTo(host: string, port: number, leaf?: MemberLeaf): Promise<string> {
  const shown = leaf === undefined ? {} : { cert: leaf.certificate, key: leaf.key };
  return new Promise((resolve) => {
    const socket = connect({ host, port, rejectUnauthorized: false, ...shown });
    socket.once("data", (data) => {
      resolve(String(data));
      socket.destroy();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(""));
  });
}

/** What a member has logged so far. */
export function logOf({ server }: TestMember, name: LogName): string {
  const path = join(server.folder.path, "diag", "logs", `${name}.log`);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** Puts a leaf, and the CA if there is one, where a member reads them at its next start. */
export function placeCredentials(
  { server }: TestMember,
  kind: "HA" | "Cluster",
  leaf: MemberLeaf,
  authority?: string,
): void {
  place(server, `keystore/${kind}_cert.pem`, leaf.certificate);
  place(server, `keystore/${kind}_key.pem`, leaf.key);
  if (authority !== undefined) place(server, `truststore/${kind}_cafile.pem`, authority);
}

/** Writes a file below a member's certificates folder. */
export function place(server: AmlenServer, name: string, content: string): void {
  const path = join(server.folder.certificates, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

export interface Reply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** One call of a member's admin endpoint, on a connection of its own. `body` may be text that is no JSON. */
export async function call(
  { server }: TestMember,
  method: "GET" | "POST" | "DELETE",
  path: string,
  body?: unknown,
  { tls = false } = {},
): Promise<Reply> {
  const url = `${server.adminUrl.replace(/^http/, tls ? "https" : "http")}/${path}`;
  const options = { method, agent: false, rejectUnauthorized: false };
  return new Promise((resolve, reject) => {
    const outgoing = (tls ? requestTls : request)(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part) => (text += String(part)));
      response.on("error", reject);
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Reply["body"] });
      });
    });
    outgoing.on("error", reject);
    outgoing.end(typeof body === "string" || body === undefined ? body : JSON.stringify(body));
  });
}

/** A member's HighAvailability and Server blocks, as far as tests compare them. */
export interface PairStatus {
  readonly Status: string;
  readonly NewRole: string;
  readonly OldRole: string;
  readonly ActiveNodes: number;
  readonly SyncNodes: number;
  readonly PctSyncCompletion: number;
  readonly ReasonCode: number;
  readonly ReasonString?: string;
  readonly RemoteServerName: string;
  readonly PrimaryLastTime: string;
}

export async function pairStatus(member: TestMember): Promise<PairStatus> {
  const { body } = await call(member, "GET", "service/status/HighAvailability");
  return body["HighAvailability"] as PairStatus;
}

export async function serverBlock(
  member: TestMember,
): Promise<{ State: number; ErrorCode: number; UID: string }> {
  const { body } = await call(member, "GET", "service/status/Server");
  return body["Server"] as { State: number; ErrorCode: number; UID: string };
}

const deadlineMs = 10_000;

/** Each question is a connection. */
const pollMs = 20;

/** Waits until a member's status says all of `expected`; fails with what it says instead. */
export async function untilPair(
  member: TestMember,
  expected: Partial<PairStatus>,
): Promise<PairStatus> {
  return untilEqual(() => pairStatus(member), expected, member.server.name);
}

export async function untilServer(
  member: TestMember,
  expected: { State?: number; ErrorCode?: number },
): Promise<void> {
  await untilEqual(() => serverBlock(member), expected, member.server.name);
}

/** Waits until what is read has all of `expected`. */
export async function untilEqual<T extends object>(
  read: () => Promise<T>,
  expected: Partial<T>,
  name: string,
): Promise<T> {
  const seen: T[] = [];
  const what = `${name} says ${JSON.stringify(expected)}`;
  try {
    await waitUntil(
      async () => {
        const now = await read();
        seen.push(now);
        return Object.entries(expected).every(([key, value]) => now[key as keyof T] === value);
      },
      { deadlineMs, what, pollMs },
    );
    return seen.at(-1) as T;
  } catch (error) {
    throw new Error(`${what}: ${JSON.stringify(seen.at(-1))} seen`, { cause: error });
  }
}

/** The status of a good pair: `primary` and `standby` after their synchronisation. */
export async function untilPaired(primary: TestMember, standby: TestMember): Promise<void> {
  await untilPair(primary, { NewRole: "PRIMARY", ActiveNodes: 2, SyncNodes: 2 });
  await untilPair(standby, { NewRole: "STANDBY", ActiveNodes: 2, SyncNodes: 2 });
}

/** The status that hides why a member stopped: state 9 and no reason. */
export async function untilStopped(member: TestMember, errorCode: number): Promise<void> {
  await untilServer(member, { State: 9, ErrorCode: errorCode });
  await untilPair(member, {
    Status: "Inactive",
    NewRole: noPair.newRole,
    OldRole: noPair.oldRole,
    ReasonCode: 0,
  });
}
