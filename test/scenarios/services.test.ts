import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { RouteBody } from "../../src/contract/index.ts";
import type { ServiceId } from "../../src/kit/index.ts";
import type { Load } from "../support/load/load.ts";
import { LiveDomain } from "../support/live-domain.ts";
import {
  loadOn,
  serverKinds,
  serverService,
  type ServerService,
} from "../support/server-services.ts";
import { waitUntil } from "../support/wait-until.ts";

type Kind = keyof typeof serverKinds;

/** Those that read CAs at their start only: the plan announces their restarts. */
const restarted: readonly string[] = ["etcd", "mosquitto"];
/** Trust, and later the new CA alone. */
const roundsWithRestart = 2;

async function applied(domain: LiveDomain, service: ServerService): Promise<ServiceId> {
  const { services } = await domain.call("applyServices", {
    body: { services: [service.declared] },
  });
  const [made] = services;
  if (made === undefined) throw new Error("one service was applied");
  await untilWell(domain, made.name);
  return made.id;
}

/** Waits until every member of a service is as desired, and says what is not. */
async function untilWell(domain: LiveDomain, name: string): Promise<void> {
  let last = "";
  await waitUntil(
    async () => {
      const { members } = await domain.call("getService", { params: { service: name } });
      const { findings } = await domain.call("listFindings");
      last = JSON.stringify([members, findings]);
      return (
        members.every(({ state, observed }) => state === "running" && observed?.problem === null) &&
        !findings.some(({ code }) => code.startsWith("member-"))
      );
    },
    { deadlineMs: 60_000, what: `service ${name} is well` },
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${last}`);
  });
}

async function start(kind: Kind): Promise<{
  domain: LiveDomain;
  service: ServerService;
  id: ServiceId;
  load: Load;
}> {
  // Before the domain: what still runs there ends first.
  const service = await serverService(serverKinds[kind]);
  const domain = await LiveDomain.start(1);
  const id = await applied(domain, service);
  const load = loadOn(service);
  await goesOn(load);
  return { domain, service, id, load };
}

function goesOn(load: Load): Promise<boolean> {
  const seen = load.operations();
  return waitUntil(() => load.operations() > seen + 50, {
    deadlineMs: 30_000,
    what: "clients work",
  });
}

/** How often members were away: failures less than a second after one another are of one time. */
function timesAway(failures: readonly string[]): number {
  const times = failures.map((each) => Number.parseInt(each, 10)).toSorted((a, b) => a - b);
  return times.filter((at, i) => i === 0 || at - (times[i - 1] ?? 0) > 1_000).length;
}

describe("the CA of a service of real servers is replaced under load by one command", () => {
  test.each(Object.keys(serverKinds) as Kind[])("%s", async (kind) => {
    const { domain, service, id, load } = await start(kind);
    const wish: RouteBody<"createPlan"> = {
      kind: "rotate-ca",
      usages: [id],
      observeSeconds: 0,
      subject: null,
    };
    const { problems } = await domain.call("createPlan", { body: wish });
    const isAnnounced = problems.some(({ code }) => code === "members-restart");
    expect(isAnnounced).toBe(restarted.includes(kind));
    await domain.follow(await domain.roll(wish));
    await goesOn(load);
    const { failures, lostWrites } = await load.stop();
    expect(lostWrites).toBe(0);
    if (!isAnnounced) expect(failures).toEqual([]);
    expect(timesAway(failures)).toBeLessThanOrEqual(
      isAnnounced ? roundsWithRestart * service.targets.length : 0,
    );
    const { authorities } = await domain.call("listAuthorities");
    const own = authorities.filter(({ usage }) => usage === id);
    expect(own.map(({ status }) => status)).toEqual(["retired", "current"]);
  });
});

test("a server that refuses what it is given keeps the last that worked, is named, and the plan goes back", async () => {
  const { domain, service, id, load } = await start("nginx");
  const [, second] = service.declared.members;
  const configuration = String(second?.variables?.["configuration"]);
  const good = await readFile(configuration, "utf8");
  await writeFile(configuration, `${good}\nno such directive;\n`);
  const rollout = await domain.roll({
    kind: "rotate-ca",
    usages: [id],
    observeSeconds: 0,
    subject: null,
  });
  let blockers: readonly { text: string }[] = [];
  const isNamed = async (): Promise<boolean> => {
    ({ blockers } = await domain.call("getRollout", { params: { id: rollout } }));
    return blockers.some(({ text }) => /nginx-2 .* did not take generation 2/.test(text));
  };
  await waitUntil(isNamed, { deadlineMs: 30_000, what: "the blockers name nginx-2" }).catch(
    (error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(blockers)}`);
    },
  );
  await domain.call("rollBackRollout", { params: { id: rollout } });
  await domain.follow(rollout);
  await writeFile(configuration, good);
  await untilWell(domain, "nginx");
  await goesOn(load);
  expect((await load.stop()).failures).toEqual([]);
  const { authorities } = await domain.call("listAuthorities");
  const own = authorities.filter(({ usage }) => usage === id);
  expect(own.map(({ status }) => status)).toEqual(["current", "abandoned"]);
});

test("a member that is killed in the middle of the rotation is back, and the rotation goes on", async () => {
  const { domain, id, load } = await start("nats");
  let kills = 0;
  const rollout = await domain.roll({
    kind: "rotate-ca",
    usages: [id],
    observeSeconds: 0,
    subject: null,
  });
  await domain.follow(rollout, async (phase) => {
    if (phase !== "reissue") return;
    kills += 1;
    await domain.kill("host-1", "members/member-2/run.json");
  });
  expect(kills).toBe(1);
  await untilWell(domain, "nats");
  await goesOn(load);
  const { failures } = await load.stop();
  expect(timesAway(failures)).toBeLessThanOrEqual(1);
});

describe("another member of a pair is made the active one under load", () => {
  test.each(["redis", "postgresql"] as const)("%s loses no acknowledged write", async (kind) => {
    const { domain, load } = await start(kind);
    for (const _ of ["there", "and back"]) {
      const { id } = await domain.call("switchOver", {
        params: { service: kind },
        body: { member: null, by: "hand-over" },
      });
      await waitUntil(
        async () => {
          const { members } = await domain.call("getService", { params: { service: kind } });
          return members.find((each) => each.id === id)?.observed?.status?.role === "active";
        },
        { deadlineMs: 60_000, what: `${id} is active` },
      );
      await untilWell(domain, kind);
      await goesOn(load);
    }
    expect((await load.stop()).lostWrites).toBe(0);
  });
});
