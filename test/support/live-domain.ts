import { execFile, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readdirSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { get } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { initializeHome } from "../../src/admin/offline.ts";
import type {
  RolloutView,
  RouteBody,
  RouteName,
  RouteParams,
  RouteResponse,
} from "../../src/contract/index.ts";
import { homeLayout, type Dial } from "../../src/domain/index.ts";
import { DomainError, type HostId, type ProcessId } from "../../src/kit/index.ts";
import { joinDomain, type DatabaseLogin } from "../../src/node/local.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  isAlive,
  LoadedTrust,
  mayDoBetterElsewhere,
  readMark,
  type ProcessMark,
  type SavedTrust,
  type ServerAddress,
} from "../../src/transport/index.ts";
import { onEnd } from "./cleanup.ts";
import { freePort } from "./free-port.ts";
import { spawnAt } from "./network.ts";
import { tempFolder } from "./temp-folder.ts";
import { waitUntil } from "./wait-until.ts";

const gatehouse = join(import.meta.dirname, "..", "..", "bin", "gatehouse");
export const password = "only for this test";
const startMsMax = 60_000;
/** Where there is another Admin Node Manager to call. */
const answerMsMax = 3_000;

/** Where a host is: its address, and what a command line begins with to run there. */
export interface HostPlace {
  readonly address: string;
  readonly exec: readonly string[];
  /** What is added to the environment of what runs there: a clock, a policy. */
  readonly environment?: Readonly<Record<string, string>>;
}

export const onLoopback = (): HostPlace => ({ address: "127.0.0.1", exec: [] });

/** A domain of built programs: `hosts` home folders, the first with the Admin Node Manager. */
export class LiveDomain {
  readonly folder: string;
  /** The Admin Node Managers that may be called; the first one is. */
  #admins: readonly ServerAddress[];
  readonly #placeOf: (host: string) => HostPlace;
  readonly #nodes = new Map<string, ChildProcess>();
  readonly #programs: Readonly<Record<string, string>>;
  readonly #trust: LoadedTrust;
  #caller: ApiCaller;
  #token = "";
  upstream = "";

  private constructor(of: {
    folder: string;
    admin: ServerAddress;
    trust: LoadedTrust;
    programs: Readonly<Record<string, string>>;
    placeOf: (host: string) => HostPlace;
  }) {
    this.folder = of.folder;
    this.#admins = [of.admin];
    this.#trust = of.trust;
    this.#programs = of.programs;
    this.#placeOf = of.placeOf;
    this.#caller = this.#open();
  }

  /**
   * Initializes, joins and starts; everything ends with the test. `programs` names the `gatehouse`
   * of hosts that run another build than this one, `placeOf` says where each host is.
   */
  static async start(
    hosts: number,
    programs: Readonly<Record<string, string>> = {},
    placeOf = onLoopback as (host: string) => HostPlace,
    initialize: typeof makeHome = makeHome,
  ): Promise<LiveDomain> {
    const folder = await tempFolder();
    const admin = { address: placeOf("host-1").address, port: await freePort() };
    const home = join(folder, "host-1");
    const { environment } = placeOf("host-1");
    const request = {
      domainName: "CN=Domain",
      hostName: "host-1.test",
      nodeManagerName: "Node Manager on host-1.test",
      ...admin,
      administrator: { name: "admin", password },
    };
    await initialize(home, request, environment);
    const saved = JSON.parse(await readFile(homeLayout(home).trust, "utf8")) as SavedTrust;
    const trust = LoadedTrust.restore(saved);
    const domain = new LiveDomain({ folder, admin, trust, programs, placeOf });
    onEnd(() => domain.stop());
    domain.upstream = await startUpstream();
    await domain.startNode("host-1");
    await waitUntil(() => domain.logIn(), {
      deadlineMs: startMsMax,
      what: "the Admin Node Manager answers",
    });
    for (let i = 2; i <= hosts; i++) await domain.join(`host-${i}`);
    return domain;
  }

  home(host: string): string {
    return join(this.folder, host);
  }

  /** The Admin Node Manager that is called. */
  get admin(): ServerAddress {
    const [admin] = this.#admins;
    if (admin === undefined) throw new Error("there is an Admin Node Manager to call");
    return admin;
  }

  /** All that may be called. */
  get admins(): readonly ServerAddress[] {
    return this.#admins;
  }

  get adminPort(): number {
    return this.admin.port;
  }

  /** Calls the Admin Node Manager at another port of this machine from now on. */
  useAdmin(port: number): void {
    this.useAdmins([{ address: "127.0.0.1", port }]);
  }

  /** Calls these from now on: the first, and when that fails the next one. */
  useAdmins(admins: readonly ServerAddress[]): void {
    this.#admins = admins;
    this.#caller.close();
    this.#caller = this.#open();
  }

  placeOf(host: string): HostPlace {
    return this.#placeOf(host);
  }

  /** Joins a new home folder and starts its Node Manager; returns its port. */
  async join(host: string, admin: DatabaseLogin | null = null, dial: Dial = "nm"): Promise<number> {
    const hostName = `${host}.test`;
    const { token } = await this.call("createJoinToken", {
      body: { hostName, isAdmin: admin !== null, lifetimeSeconds: 600 },
    });
    const port = await freePort();
    await joinDomain(this.home(host), {
      anmHost: this.admin.address,
      anmPort: this.adminPort,
      token,
      hostName,
      address: this.#placeOf(host).address,
      nodeManagerName: `Node Manager on ${hostName}`,
      port,
      admin,
      dial,
    });
    await this.startNode(host);
    return port;
  }

  /** `gatehouse node run` on a home folder. */
  async startNode(host: string): Promise<void> {
    const { logs } = homeLayout(this.home(host));
    await mkdir(logs, { recursive: true, mode: 0o700 });
    const log = openSync(join(logs, "node.log"), "a", 0o600);
    const program = this.#programs[host] ?? gatehouse;
    const command = [program, "--home", this.home(host), "node", "run"];
    const { exec, environment } = this.#placeOf(host);
    const env = { ...process.env, ...environment };
    this.#nodes.set(host, spawnAt(exec, command, { env, stdio: ["ignore", log, log] }));
    closeSync(log);
  }

  /** Creates an instance of the group `service` on a host, starts it and waits until it is seen on the wire. */
  async addInstance(host: string, service = "service"): Promise<{ id: ProcessId; port: number }> {
    const hostId =
      (await this.call("getTopology")).hosts.find((candidate) => candidate.name === `${host}.test`)
        ?.id ?? ("" as HostId);
    const instance = await this.call("createInstance", {
      body: {
        name: `${service}-${Math.random().toString(36).slice(2, 8)}`,
        group: service,
        hostId,
        managementPort: await freePort(),
        servicesPort: await freePort(),
        configuration: {
          dnsNames: [`${service}.test`],
          routes: [{ host: null, pathPrefix: "/", upstreams: [this.upstream], healthPath: null }],
        },
      },
    });
    await this.call("setInstanceEnabled", { params: { id: instance.id }, body: { enabled: true } });
    await this.waitForCredentials((id) => id.startsWith(`${instance.id}/`), 2);
    return { id: instance.id, port: instance.servicesPort };
  }

  /** Waits until `count` of the chosen credentials are seen on the wire as they are installed. */
  async waitForCredentials(isChosen: (id: string) => boolean, count: number): Promise<void> {
    await waitUntil(
      async () => {
        const { credentials } = await this.call("listCredentials");
        return (
          credentials.filter((credential) => isChosen(credential.id) && credential.onWire).length >=
          count
        );
      },
      { deadlineMs: startMsMax, what: "the certificates are seen on the wire" },
    );
  }

  async logIn(): Promise<boolean> {
    try {
      this.#token = (
        await callApi(this.#caller, "logIn", { body: { username: "admin", password } })
      ).token;
      return true;
    } catch {
      return false;
    }
  }

  #open(): ApiCaller {
    return new ApiCaller(
      { ...this.admin, prefix: apiPrefix },
      adminServerTls({ trust: this.#trust, caller: "user", nowMs: () => Date.now() }),
    );
  }

  /** Calls the API as the administrator; loads new trust when the server is refused, and tries again, or another, while it is away. */
  async call<Name extends RouteName>(
    name: Name,
    input: {
      params?: RouteParams<Name>;
      body?: RouteBody<Name>;
      query?: never;
      timeoutMs?: number;
    } = {},
  ): Promise<RouteResponse<Name>> {
    const endMs = performance.now() + 20_000;
    for (;;) {
      try {
        return await callApi(this.#caller, name, {
          ...(this.#admins.length > 1 ? { timeoutMs: answerMsMax, onLastKnown } : {}),
          ...input,
          headers: { authorization: `Bearer ${this.#token}` },
        });
      } catch (error) {
        if (performance.now() > endMs || !this.#isWorthAnother(error)) throw error;
        await fetchTrustLinks(this.admin, this.#trust.epoch, answerMsMax)
          .then((links) => this.#trust.accept(links))
          .catch(() => {});
        const [first, ...others] = this.#admins;
        this.useAdmins(first === undefined ? [] : [...others, first]);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  #isWorthAnother(error: unknown): boolean {
    const { code } = error as { code?: string };
    if (this.#admins.length > 1) return mayDoBetterElsewhere(error);
    return code === "unreachable" || code === "untrusted-server" || code === "timeout";
  }

  /** Of the administrator's session. */
  get token(): string {
    return this.#token;
  }

  get trust(): SavedTrust {
    return this.#trust.save();
  }

  /** A metric without labels of the Admin Node Manager that is called; undefined: it has none of that name. */
  async metric(name: string): Promise<number | undefined> {
    const value = new RegExp(`^${name} (\\S+)$`, "m").exec(await this.#get("/metrics"))?.[1];
    return value === undefined ? undefined : Number(value);
  }

  /** What the Admin Node Manager that is called says of itself to load balancers. */
  async readiness(): Promise<string> {
    return (JSON.parse(await this.#get("/ready")) as { status: string }).status;
  }

  /** What everybody who can reach the port may read: nothing of this process's is at stake. */
  #get(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const options = { host: this.admin.address, port: this.adminPort, path };
      get({ ...options, rejectUnauthorized: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.once("end", () => resolve(text));
      }).once("error", reject);
    });
  }

  /** Plans and starts a change; `waivers` are given right away for every phase named. */
  async roll(
    wish: RouteBody<"createPlan">,
    waived: readonly string[] = [],
  ): Promise<RolloutView["rollout"]["id"]> {
    let id: RolloutView["rollout"]["id"] | null = null;
    let unmanaged: string[] = [];
    await waitUntil(
      async () => {
        try {
          const plan = await this.call("createPlan", { body: wish });
          unmanaged = plan.unprovable.map((finding) => finding.subject);
          id = (await this.call("startRollout", { body: { planId: plan.id } })).rollout.id;
          return true;
        } catch (error) {
          // A certificate that an Admin Node Manager got in between makes the plan stale.
          if ((error as { code?: string }).code === "plan-stale") return false;
          throw error;
        }
      },
      { deadlineMs: 20_000, what: "the plan can be started" },
    );
    if (id === null) throw new Error("no rollout was started");
    const params = { id };
    for (const subject of unmanaged)
      await this.call("waiveGate", {
        params,
        body: { subject, phase: "observe", reason: "no other callers", lifetimeSeconds: 3600 },
      });
    for (const subject of waived) {
      const { rollout } = await this.call("getRollout", { params });
      for (const phase of new Set(
        [...rollout.done.map((applied) => applied.step), ...rollout.todo].map((step) => step.phase),
      )) {
        await this.call("waiveGate", {
          params,
          body: { subject, phase, reason: "away", lifetimeSeconds: 3600 },
        });
      }
    }
    return id;
  }

  /** Follows a rollout to its end; `onPhase` runs once when each phase is first seen. */
  async follow(
    id: RolloutView["rollout"]["id"],
    onPhase: (phase: string) => Promise<void> = async () => {},
    deadlineMs = 100_000,
    pollMs = 10,
  ): Promise<RolloutView> {
    const seen = new Set<string>();
    const failed: unknown[] = [];
    const state: { last: RolloutView | null } = { last: null };
    const isOver = async (): Promise<boolean> => {
      state.last = await this.call("getRollout", { params: { id } });
      const { phase, rollout } = state.last;
      if (phase !== null && !seen.has(phase)) {
        seen.add(phase);
        // A look that fails is repeated: what happens once must not get lost there.
        await onPhase(phase).catch((error: unknown) => failed.push(error));
      }
      return rollout.status === "completed" || rollout.status === "rolled-back";
    };
    try {
      await waitUntil(isOver, { deadlineMs, pollMs, what: `rollout ${id} ends` });
    } catch (cause) {
      const blockers = state.last?.blockers.map((blocker) => blocker.text).join("; ");
      const logs = await this.#logsOfAway();
      throw new Error(`rollout ${id} stays in ${state.last?.phase}: ${blockers}${logs}`, { cause });
    }
    if (failed.length > 0) throw new AggregateError(failed, `in phases of rollout ${id}`);
    if (state.last === null) throw new Error("the rollout was never seen");
    return state.last;
  }

  /** The marked process of a run file below a home folder, if it lives. */
  async processOf(host: string, runFile: string): Promise<ProcessMark | null> {
    const mark = await readMark(join(this.home(host), runFile));
    return mark !== null && (await isAlive(mark)) ? mark : null;
  }

  /** kill -9 of the process of a run file; resolves when it is dead, which the call does not wait for. */
  async kill(host: string, runFile: string): Promise<void> {
    const mark = await this.processOf(host, runFile);
    if (mark === null) return;
    // A server of another vendor leads the group of its workers.
    process.kill(runFile.startsWith("members/") ? -mark.pid : mark.pid, "SIGKILL");
    await waitUntil(async () => !(await isAlive(mark)), {
      deadlineMs: 10_000,
      what: `${mark.pid} is dead`,
    });
  }

  /** kill -9 of a host's supervisor and Node Manager, and of everything that the host runs, as a power cut would. */
  async cutPower(host: string): Promise<void> {
    const node = this.#nodes.get(host);
    this.#nodes.delete(host);
    if (node?.exitCode === null)
      await new Promise((resolve) => {
        node.once("exit", resolve);
        node.kill("SIGKILL");
      });
    for (const file of this.runFiles(host)) await this.kill(host, file);
  }

  /** Stops a host's Node Manager alone; what it runs goes on. */
  async stopNode(host: string): Promise<void> {
    const node = this.#nodes.get(host);
    this.#nodes.delete(host);
    if (node?.exitCode === null)
      await new Promise((resolve) => {
        node.once("exit", resolve);
        node.kill("SIGTERM");
      });
  }

  runFiles(host: string): string[] {
    return readdirSync(this.home(host), { recursive: true, encoding: "utf8" }).filter((path) =>
      /run\/(node|admin|instance)\.json$|^members\/[^/]+\/run\.json$/.test(path),
    );
  }

  /** The end of what each host that is away wrote last: the home folders are gone when a test has failed. */
  async #logsOfAway(): Promise<string> {
    const { hosts } = await this.call("getTopology");
    const away = hosts.filter(({ connected }) => !connected).map(({ id }) => id);
    const logs = await Promise.all(away.map((host) => this.log(host)));
    return away.map((host, i) => `\n${host} wrote last:\n${logs[i]?.slice(-4000)}`).join("");
  }

  async log(host: string): Promise<string> {
    return readFile(join(this.home(host), "logs", "node.log"), "utf8").catch(() => "");
  }

  async stop(): Promise<void> {
    this.#caller.close();
    for (const host of readdirSync(this.folder)) await this.cutPower(host);
    // The Node Manager may have started something between the kills.
    for (const host of readdirSync(this.folder))
      for (const file of this.runFiles(host)) await this.kill(host, file);
    await writeFile(join(this.folder, "stopped"), "");
  }
}

/** Another one may know what is true now. */
function onLastKnown(): never {
  throw new DomainError("store-unavailable", "what is shown is not of now");
}

/** Makes the first home: in a process of its own where its clock may be another than this one's. */
async function makeHome(
  home: string,
  request: Parameters<typeof initializeHome>[1],
  environment: Readonly<Record<string, string>> | undefined,
): Promise<void> {
  if (environment === undefined) {
    await initializeHome(home, request);
    return;
  }
  const offline = join(import.meta.dirname, "..", "..", "dist", "admin", "offline.js");
  const program = `import(${JSON.stringify(offline)}).then(({ initializeHome }) =>
    initializeHome(process.env.TEST_HOME, JSON.parse(process.env.TEST_REQUEST)));`;
  await promisify(execFile)(process.execPath, ["-e", program], {
    env: {
      ...process.env,
      ...environment,
      TEST_HOME: home,
      TEST_REQUEST: JSON.stringify(request),
    },
  });
}

async function startUpstream(): Promise<string> {
  const server = createServer((_request, response) => response.end("ok"));
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onEnd(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
