import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import type { HostId, ProcessId } from "../../src/kit/index.ts";
import { homeLayout } from "../../src/domain/index.ts";
import type { RouteResponse } from "../../src/contract/index.ts";
import { FakeClock } from "../support/fake-clock.ts";
import { LiveDomain, onLoopback } from "../support/live-domain.ts";
import { LiveLoad } from "../support/live-load.ts";
import { moveStoreTo, testServer } from "../support/shared-store.ts";
import { serverOnLoopback, type PostgresServer } from "../support/postgresql.ts";
import { waitUntil } from "../support/wait-until.ts";

const daySeconds = 86_400;

/** Leaves are due after four days of twelve: all of them, when the week is over. */
const policy = { leafLifetimeSeconds: 12 * daySeconds, renewalsPerSecond: 1 };

type Credential = RouteResponse<"listCredentials">["credentials"][number];

interface Gateway {
  readonly host: string;
  readonly id: ProcessId;
  readonly port: number;
}

/**
 * Two Admin Node Managers (host-1, host-2) on PostgreSQL, and two hosts with gateways under load.
 * Their clocks are a week behind the machine's, by whose clock the callers judge.
 */
class WeekWithoutPlane {
  readonly domain: LiveDomain;
  readonly clock: FakeClock;
  readonly server: PostgresServer;
  readonly gateways: readonly Gateway[];
  readonly #load: LiveLoad;
  /** Failures that were to be expected, by port. */
  readonly #excused = new Map<number, number>();

  private constructor(
    of: Pick<WeekWithoutPlane, "domain" | "clock" | "server" | "gateways">,
    load: LiveLoad,
  ) {
    this.domain = of.domain;
    this.clock = of.clock;
    this.server = of.server;
    this.gateways = of.gateways;
    this.#load = load;
  }

  static async begin(): Promise<WeekWithoutPlane> {
    const clock = await FakeClock.start();
    await clock.moveTo("-7d");
    const environment = { ...clock.environment, GATEHOUSE_POLICY: JSON.stringify(policy) };
    const domain = await LiveDomain.start(1, {}, () => ({ ...onLoopback(), environment }));
    const server = await testServer({
      ...serverOnLoopback,
      environment: clock.environment,
    });
    const login = await moveStoreTo(domain, [server]);
    await domain.join("host-2", login);
    const { authorities } = await domain.call("shareKeys", { params: { id: "host-2" as HostId } });
    const { authorityKey } = homeLayout(domain.home("host-2"));
    await waitUntil(() => authorities.every((id) => existsSync(authorityKey(id))), {
      deadlineMs: 20_000,
      what: "the second Admin Node Manager has the keys",
    });
    const gateways: Gateway[] = [];
    for (const host of ["host-3", "host-4"]) {
      await domain.join(host);
      for (let n = 0; n < 2; n++) gateways.push({ host, ...(await domain.addInstance(host)) });
    }
    const load = await LiveLoad.start(
      domain,
      gateways.map(({ port }) => port),
    );
    return new WeekWithoutPlane({ domain, clock, server, gateways }, load);
  }

  on(host: string): Gateway[] {
    return this.gateways.filter((gateway) => gateway.host === host);
  }

  /** Waits until all gateways have served for a while. */
  async serve(): Promise<void> {
    const served = (port: number): number =>
      this.#load.at(port).requests - this.#load.at(port).failures.length;
    const wanted = new Map(this.gateways.map(({ port }) => [port, served(port) + 40]));
    await waitUntil(() => [...wanted].every(([port, count]) => served(port) >= count), {
      deadlineMs: 60_000,
      what: "every gateway serves",
    });
  }

  /** Does what keeps some gateways from serving, and waits until they serve again. */
  async disturb(gateways: readonly Gateway[], work: () => Promise<void>): Promise<void> {
    const failuresOf = (port: number): number => this.#load.at(port).failures.length;
    const before = new Map(gateways.map(({ port }) => [port, failuresOf(port)]));
    await work();
    await this.serve();
    for (const [port, count] of before)
      this.#excused.set(port, (this.#excused.get(port) ?? 0) + failuresOf(port) - count);
  }

  runFile({ host, id }: Gateway): string {
    return this.domain.runFiles(host).find((file) => file.includes(`/${id}/`)) ?? "";
  }

  /** kill -9 of a gateway; another process takes its place. */
  async killAndSeeBack(gateway: Gateway): Promise<void> {
    const { domain } = this;
    const file = this.runFile(gateway);
    const before = await domain.processOf(gateway.host, file);
    await this.disturb([gateway], async () => {
      await domain.kill(gateway.host, file);
      await waitUntil(() => domain.processOf(gateway.host, file), {
        deadlineMs: 40_000,
        what: `${gateway.id} is started again`,
      });
    });
    expect((await domain.processOf(gateway.host, file))?.pid).not.toBe(before?.pid);
  }

  async endLoad(): Promise<void> {
    await this.#load.stop();
    for (const { port, host } of this.gateways) {
      const { failures, requests } = this.#load.at(port);
      expect(requests).toBeGreaterThan(200);
      expect({ host, failures: failures.slice(this.#excused.get(port) ?? 0) }).toEqual({
        host,
        failures: [],
      });
    }
  }

  /** The hosts whose Node Managers gave up a renewal on a busy machine, to try again; once for each. */
  async lostAnswers(): Promise<string[]> {
    const hosts = ["host-1", "host-2", "host-3", "host-4"];
    const logs = await Promise.all(hosts.map((host) => this.domain.log(host)));
    return logs.flatMap((log, at) =>
      Array.from(log.matchAll(/the credential could not be renewed/g), () => hosts[at] ?? ""),
    );
  }

  async credentials(): Promise<Credential[]> {
    return (await this.domain.call("listCredentials")).credentials;
  }

  /** Leaves issued from `sinceMs` on, oldest first. */
  async leavesSince(sinceMs: number): Promise<{ credentialId: string; issuedAtMs: number }[]> {
    const { issuances } = await this.domain.call("listIssuances", {
      query: { limit: 1000 },
    } as never);
    return issuances
      .filter(({ kind, issuedAtMs }) => kind === "leaf" && issuedAtMs >= sinceMs)
      .flatMap(({ credentialId, issuedAtMs }) =>
        credentialId === null ? [] : [{ credentialId, issuedAtMs }],
      );
  }
}

/** Waits until the chosen credentials end later than twelve days less an hour from now, and are served. */
async function untilRenewed(week: WeekWithoutPlane, isChosen: (one: Credential) => boolean) {
  const freshFromMs = Date.now() + (policy.leafLifetimeSeconds - 3600) * 1000;
  await waitUntil(
    async () =>
      (await week.credentials())
        .filter(isChosen)
        .every(({ onWire, notAfterMs }) => onWire && (notAfterMs ?? 0) > freshFromMs),
    { deadlineMs: 90_000, what: "what is overdue is renewed and served" },
  );
}

test("gateways serve through a week without Admin Node Managers and store, and what is overdue is renewed in order when they return", async () => {
  const week = await WeekWithoutPlane.begin();
  const { domain, clock, server, gateways } = week;
  const before = await week.credentials();
  const topology = await domain.call("getTopology");
  expect(before).toHaveLength(4 + 2 * gateways.length);

  await domain.cutPower("host-1");
  await domain.cutPower("host-2");
  await server.stop();
  await clock.moveTo("-6d");
  await week.serve();
  const [crashed, crashedLater] = week.on("host-3") as [Gateway, Gateway];
  await week.killAndSeeBack(crashed);
  await clock.moveTo("-3d");
  await domain.stopNode("host-3");
  await week.serve();
  await domain.startNode("host-3");
  await week.killAndSeeBack(crashedLater);
  for (const [host, offset] of [
    ["host-3", "-2d"],
    ["host-4", "-1d"],
  ] as const) {
    await week.disturb(week.on(host), async () => {
      await domain.cutPower(host);
      await clock.moveTo(offset);
      await domain.startNode(host);
    });
  }
  await clock.moveTo("+0");
  await week.serve();

  const returnedAtMs = Date.now();
  await server.start();
  await domain.startNode("host-1");
  // The session of a week ago has ended.
  await waitUntil(() => domain.logIn(), { deadlineMs: 60_000, what: "host-1 answers" });
  await untilRenewed(week, ({ hostId }) => hostId !== "host-2");
  const renewed = await week.leavesSince(returnedAtMs);
  expectOrderAndRate(renewed, before, new Set(await week.lostAnswers()));
  await domain.startNode("host-2");
  await untilRenewed(week, () => true);
  const all = await week.leavesSince(returnedAtMs);
  expect([...new Set(all.map(({ credentialId }) => credentialId))].toSorted()).toEqual(
    before.map(({ id }) => id).toSorted(),
  );
  // Twice only where the first answer came too late for who had asked.
  expect(all.length - before.length).toBeLessThanOrEqual((await week.lostAnswers()).length);
  await week.endLoad();

  expect((await week.credentials()).map(({ failedRenewals }) => failedRenewals)).toEqual(
    before.map(() => 0),
  );
  const after = await domain.call("getTopology");
  expect(after.hosts.map(({ id, connected }) => ({ id, connected }))).toEqual(
    topology.hosts.map(({ id }) => ({ id, connected: true })),
  );
  expect(after.groups).toEqual(topology.groups);
  expect(await domain.call("verifyAudit")).toMatchObject({ ok: true });
}, 300_000);

/** A host that was just served is away for as long as it takes to put its certificate to use. */
const busyMs = 2_500;

/**
 * One renewal a second; each host's own in the order in which they end; and none before another
 * host's that ends earlier, except while that host was not there yet, or busy with one before, or
 * had to ask twice.
 */
function expectOrderAndRate(
  renewed: readonly { credentialId: string; issuedAtMs: number }[],
  before: readonly Credential[],
  askedTwice: ReadonlySet<string>,
): void {
  const known = new Map(before.map((credential) => [credential.id as string, credential]));
  const log = renewed.map(({ credentialId, issuedAtMs }) => {
    const { hostId, notAfterMs } = known.get(credentialId) ?? expect.unreachable();
    return { credentialId, issuedAtMs, hostId, deadlineMs: notAfterMs ?? 0 };
  });
  log.forEach((earlier, at) => {
    const later = log.slice(at + 1);
    expect((later.at(-1)?.issuedAtMs ?? Infinity) - earlier.issuedAtMs).toBeGreaterThanOrEqual(
      later.length * 1000 - 600,
    );
    for (const overtaken of later.filter(({ deadlineMs }) => deadlineMs < earlier.deadlineMs)) {
      if (askedTwice.has(overtaken.hostId)) continue;
      expect(overtaken.hostId).not.toBe(earlier.hostId);
      const served = log.slice(0, at).findLast(({ hostId }) => hostId === overtaken.hostId);
      const isAway = served === undefined || earlier.issuedAtMs - served.issuedAtMs < busyMs;
      expect({ earlier, overtaken, isAway }).toMatchObject({ isAway: true });
    }
  });
}
