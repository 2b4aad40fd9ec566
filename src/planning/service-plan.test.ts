import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuthorityId, PlanId, ProcessId } from "../kit/index.ts";
import type { DriverTraits, Member, Service } from "../domain/index.ts";
import { appliedStep, settledSnapshot, testRollout } from "../../test/support/snapshots.ts";
import { testHost, testMember, testService, testTopology } from "../../test/support/topologies.ts";
import { planReplaceLeaves, planRotateCa, planTakeOver } from "./make-plan.ts";
import type { Edit, Plan, Step } from "./plan.ts";
import { rollbackSteps } from "./rollback.ts";
import type { DomainSnapshot } from "./snapshot.ts";

const before = "service-1-1" as AuthorityId;
const after = "service-1-2" as AuthorityId;

function snapshotOf(
  service: Service,
  members: readonly Member[],
  active: readonly string[] = [],
): DomainSnapshot {
  const hosts = members.map((_, i) => testHost(i + 1));
  const topology = testTopology({ hosts, services: [service], members });
  const snapshot = settledSnapshot(topology);
  return {
    ...snapshot,
    hosts: snapshot.hosts.map((host) => ({
      ...host,
      members: members
        .filter(({ hostId }) => hostId === host.hostId)
        .map(({ id, trusts }) => ({
          id,
          installed: { sequence: 1, trusts },
          accepts: [],
          status: {
            role: active.includes(id) ? ("active" as const) : ("standby" as const),
            members: null,
            connected: null,
            synchronised: true,
          },
          changedFiles: [],
          findings: [],
          problem: null,
        })),
    })),
  };
}

function rotation(snapshot: DomainSnapshot): Plan {
  const [service] = snapshot.topology.services;
  return planRotateCa(snapshot, {
    id: "plan-1" as PlanId,
    createdBy: "user:admin",
    successors: [{ usage: service?.id ?? "traffic", to: after, subject: "CN=new" }],
    observeSeconds: 0,
  });
}

const pairOf = (service: Service): Member[] =>
  [testMember(1), testMember(2)].map((member) => ({
    ...member,
    serviceId: service.id,
  }));

function stepIds(plan: Plan): string[] {
  return plan.steps.map(({ id }) => id);
}

describe("the rotation of a service's CA", () => {
  test("lets every member trust the new CA, one at a time, before the first shows it", () => {
    const service = testService();
    const members = [1, 2, 3].map((number) => testMember(number));
    expect(stepIds(rotation(snapshotOf(service, members)))).toEqual([
      "prepare",
      "introduce",
      "introduce-service-1-1",
      "introduce-service-1-2",
      "introduce-service-1-3",
      "issue",
      "reissue-service-1-1",
      "reissue-service-1-2",
      "reissue-service-1-3",
      "reissue-rest",
      "observe",
      "retire-service-1-1",
      "retire-service-1-2",
      "retire-service-1-3",
      "retire",
      "forget",
    ]);
  });

  test("waits for a probe that the server accepted, where the driver can prove that, and for a well service", () => {
    const members = [testMember(1)];
    const gateOf = (traits: Partial<DriverTraits>) =>
      rotation(snapshotOf(testService({}, traits), members)).steps.find(
        ({ id }) => id === "introduce-service-1-1",
      )?.gate;
    const well = { require: "service-well", service: "service-1" };
    expect(gateOf({})).toEqual([
      { require: "members-trust", members: ["member-1"], proven: [after] },
      well,
    ]);
    expect(gateOf({ evidence: "loaded" })).toEqual([
      { require: "members-trust", members: ["member-1"], proven: [] },
      well,
    ]);
  });

  test("hands over before it restarts the active member of a pair whose roles are ours", () => {
    const service = testService(
      { shape: "pair", active: { member: "member-1" as ProcessId, by: "promotion" } },
      { keyBy: "restart", trustBy: "restart", roles: "driver" },
    );
    const plan = rotation(snapshotOf(service, pairOf(service), ["member-1"]));
    const moves = plan.steps.flatMap(({ edit }) => {
      if (edit.do === "hand-over") return [`${edit.to} takes over`];
      if (edit.do === "trust-members") return edit.members.map((id) => `${id} trusts`);
      return edit.do === "reissue" ? edit.credentials.map((id) => `${id} shows`) : [];
    });
    expect(moves).toEqual([
      "member-2 trusts",
      "member-2 takes over",
      "member-1 trusts",
      "member-1/service-1 shows",
      "member-1 takes over",
      "member-2/service-1 shows",
      "member-2 trusts",
      "member-2 takes over",
      "member-1 trusts",
    ]);
    expect(plan.problems.map(({ code }) => code)).toContain("members-restart");
  });

  test("is not planned together with that of another", () => {
    const snapshot = snapshotOf(testService(), [testMember(1)]);
    const successors = (["service-1", "traffic"] as const).map((usage) => ({
      usage: usage as "traffic",
      to: `${usage}-9` as AuthorityId,
      subject: `CN=${usage}`,
    }));
    expect(() =>
      planRotateCa(snapshot, {
        id: "plan-1" as PlanId,
        createdBy: "user:admin",
        successors,
        observeSeconds: 0,
      }),
    ).toThrow(expect.objectContaining({ code: "invalid-input" }));
  });
});

test("new certificates for everybody come to the members of a service one at a time, too", () => {
  const snapshot = snapshotOf(testService(), [testMember(1), testMember(2)]);
  const plan = planReplaceLeaves(snapshot, {
    id: "plan-1" as PlanId,
    createdBy: "user:admin",
    credentials: null,
  });
  const waves = plan.steps.flatMap(({ edit }) => (edit.do === "reissue" ? [edit.credentials] : []));
  expect(waves).toContainEqual(["member-1/service-1"]);
  expect(waves).toContainEqual(["member-2/service-1"]);
});

/** What each member shows and trusts while a plan goes on. */
interface World {
  readonly shows: Map<string, AuthorityId>;
  readonly trusts: Map<string, ReadonlySet<AuthorityId>>;
}

function changed(world: World, edit: Edit, only: ReadonlySet<string>): World {
  const shows = new Map(world.shows);
  const trusts = new Map(world.trusts);
  if (edit.do === "trust-members")
    for (const id of edit.members) {
      if (!only.has(id)) continue;
      const kept = [...(trusts.get(id) ?? [])].filter((each) => !edit.removes.includes(each));
      trusts.set(id, new Set([...kept, ...edit.adds]));
    }
  if (edit.do === "reissue" || edit.do === "return")
    for (const credential of edit.credentials ?? [...shows.keys()].map((id) => `${id}/service-1`)) {
      const [id = ""] = credential.split("/");
      if (only.has(id)) shows.set(id, edit.do === "reissue" ? after : before);
    }
  return { shows, trusts };
}

/** Members of one step converge in any order: every subset of them is seen. */
function subsets(ids: readonly string[]): Set<string>[] {
  return Array.from(
    { length: 2 ** ids.length },
    (_, bits) => new Set(ids.filter((_id, i) => (bits >> i) % 2 === 1)),
  );
}

function touched(edit: Edit, all: readonly string[]): readonly string[] {
  if (edit.do === "trust-members") return edit.members;
  if (edit.do === "reissue" || edit.do === "return")
    return edit.credentials?.map((id) => id.split("/")[0] ?? "") ?? all;
  return [];
}

const services = fc
  .record({
    shape: fc.constantFrom("replicas", "pair", "cluster", "pairs"),
    count: fc.integer({ min: 1, max: 5 }),
    traits: fc.record({
      keyBy: fc.constantFrom("reload", "restart"),
      trustBy: fc.constantFrom("reload", "restart"),
      roles: fc.constantFrom("none", "driver", "server"),
      evidence: fc.constantFrom("handshake", "loaded"),
    }),
    active: fc.integer({ min: 0, max: 4 }),
    maxUnavailable: fc.integer({ min: 1, max: 3 }),
  })
  .map(({ shape, count, traits, active, maxUnavailable }) => {
    const total = { replicas: count, pair: 2, cluster: count, pairs: 2 * count }[shape];
    const members = Array.from({ length: total }, (_, i) =>
      testMember(i + 1, { pair: shape === "pairs" ? `pair ${Math.floor(i / 2)}` : null }),
    );
    const isActive = (i: number): boolean =>
      shape === "pairs" ? i % 2 === active % 2 : i === active % total;
    const ids = members.map(({ id }) => id);
    const activeIds = ids.filter((_, i) => isActive(i));
    const [first] = activeIds;
    const isOurs = shape === "pair" && traits.roles === "driver" && first !== undefined;
    const service = testService(
      {
        shape: shape === "pairs" ? "cluster" : shape,
        maxUnavailable,
        active: isOurs ? { member: first, by: "promotion" } : null,
      },
      traits as Partial<DriverTraits>,
    );
    return { service, members, snapshot: snapshotOf(service, members, activeIds), activeIds };
  });

type Example = typeof services extends fc.Arbitrary<infer T> ? T : never;

function startOf({ members }: Example): World {
  return {
    shows: new Map(members.map(({ id }) => [id, before])),
    trusts: new Map(members.map(({ id }) => [id, new Set([before])])),
  };
}

/** Goes through steps; at every moment every member must trust what every other one shows. */
function runThrough(start: World, steps: readonly Step[]): World {
  let world = start;
  const all = [...start.shows.keys()];
  for (const { id, edit } of steps) {
    const concerned = touched(edit, all);
    for (const done of subsets(concerned)) {
      const now = changed(world, edit, done);
      for (const [presenter, shown] of now.shows)
        for (const [verifier, trusted] of now.trusts)
          if (!trusted.has(shown))
            throw new Error(`at ${id}, ${verifier} does not trust what ${presenter} shows`);
    }
    world = changed(world, edit, new Set(concerned));
  }
  return world;
}

describe("for every generated service", () => {
  test("members trust each other at every moment of the rotation, and it ends with the new CA alone", () => {
    fc.assert(
      fc.property(services, (example) => {
        const end = runThrough(startOf(example), rotation(example.snapshot).steps);
        expect(new Set(end.shows.values())).toEqual(new Set([after]));
        for (const trusted of end.trusts.values()) expect(trusted).toEqual(new Set([after]));
      }),
    );
  });

  test("a rollback from every step before retire keeps that, and ends with the old CA alone", () => {
    fc.assert(
      fc.property(services, fc.nat(), (example, cut) => {
        const { steps } = rotation(example.snapshot);
        const retire = steps.findIndex(({ phase }) => phase === "retire");
        const done = steps.slice(0, cut % (retire + 1));
        const rollout = testRollout({
          done: done.map((step) => appliedStep(step)),
          successions: rotation(example.snapshot).successions,
        });
        const midway = runThrough(startOf(example), done);
        const end = runThrough(midway, rollbackSteps(rollout));
        expect(new Set(end.shows.values())).toEqual(new Set([before]));
        for (const trusted of end.trusts.values()) expect(trusted).toEqual(new Set([before]));
      }),
    );
  });

  test("no step takes away more members than may be, the active one, or both of a pair", () => {
    fc.assert(
      fc.property(services, ({ service, members, snapshot, activeIds }) => {
        const { keyBy, trustBy, roles } = service.driver.traits;
        const most = service.shape === "replicas" ? service.maxUnavailable : 1;
        let active: readonly string[] = activeIds;
        for (const { edit } of rotation(snapshot).steps) {
          if (edit.do === "hand-over") active = [edit.to];
          const isAway =
            (edit.do === "trust-members" && trustBy === "restart") ||
            (edit.do === "reissue" && keyBy === "restart");
          if (!isAway) continue;
          const away = touched(edit, []);
          expect(away.length).toBeLessThanOrEqual(most);
          const hasPartner = service.shape === "pair" && members.length === 2;
          if (hasPartner && roles === "driver")
            for (const id of away) expect(active).not.toContain(id);
        }
      }),
    );
  });

  test("standbys are changed before active members, in every round", () => {
    fc.assert(
      fc.property(services, ({ snapshot, activeIds, service, members }) => {
        const { keyBy, trustBy, verifiesPeers, roles } = service.driver.traits;
        if (roles === "driver") return;
        const { steps } = rotation(snapshot);
        const partnerOf = (id: string): string | undefined => {
          const pair = members.find((each) => each.id === id)?.pair ?? null;
          if (service.shape !== "pair" && pair === null) return undefined;
          return members.find((each) => each.id !== id && each.pair === pair)?.id;
        };
        let active: readonly string[] = activeIds;
        for (const what of ["introduce-service", "reissue-service", "retire-service"]) {
          const order = steps
            .filter(({ id }) => id.startsWith(what))
            .flatMap(({ edit }) => touched(edit, []));
          const firstActive = order.findIndex((id) => active.includes(id));
          const lastStandby = order.findLastIndex((id) => !active.includes(id));
          expect(firstActive === -1 || lastStandby < firstActive).toBe(true);
          const isRestart =
            what === "reissue-service"
              ? keyBy === "restart"
              : verifiesPeers && trustBy === "restart";
          // The other one of its pair becomes active when a server that was it goes away.
          if (roles === "server" && isRestart && order.length > 0)
            active = active.map((id) => partnerOf(id) ?? id);
        }
      }),
    );
  });
});

describe("the documented strategy", () => {
  const service = testService(
    { shape: "pair" },
    { overlap: false, keyBy: "restart", trustBy: "restart", roles: "server" },
  );
  const members = pairOf(service).map((member) => ({
    ...member,
    settings: { HighAvailability: { DiscoveryTimeout: 30 } },
  }));
  const snapshot = snapshotOf(service, members, ["member-1"]);

  test("is that of a service whose servers cannot trust two CAs: all that is new at once, the standby first", () => {
    const plan = rotation(snapshot);
    const steps = plan.steps.filter(({ edit }) => edit.do === "replace-members");
    expect(steps.map(({ edit }) => edit)).toEqual([
      {
        do: "replace-members",
        members: ["member-2"],
        credentials: ["member-2/service-1"],
        adds: [after],
        removes: [before],
      },
      {
        do: "replace-members",
        members: ["member-1"],
        credentials: ["member-1/service-1"],
        adds: [after],
        removes: [before],
      },
    ]);
    expect(plan.steps.some(({ edit }) => edit.do === "trust-members")).toBe(false);
  });

  test("waits for a well pair only after the second, which has to be done before the first gives up", () => {
    const [first, second] = rotation(snapshot).steps.filter(({ id }) => id.startsWith("replace-"));
    expect(first?.gate.map(({ require }) => require)).toEqual(["members-trust", "presented"]);
    expect(second?.gate.map(({ require }) => require)).toContain("service-well");
    expect(second?.deadlineSeconds).toBe(30);
  });

  test("says what will be unavailable, and for how long", () => {
    expect(rotation(snapshot).problems).toMatchObject([
      {
        code: "documented-outage",
        severity: "warning",
        text: expect.stringMatching(/no standby .* up to 60 s; .* within 30 s/) as string,
      },
    ]);
  });

  test("watches the last member of a cluster, which sees those that are changed as disconnected", () => {
    const cluster = testService({}, { overlap: false });
    const three = [1, 2, 3].map((number) => testMember(number));
    const gates = rotation(snapshotOf(cluster, three)).steps.flatMap(({ gate }) =>
      gate.filter(({ require }) => require === "disconnected"),
    );
    expect(gates).toEqual([
      { require: "disconnected", watcher: "member-3", count: 1 },
      { require: "disconnected", watcher: "member-3", count: 2 },
    ]);
  });

  test("is taken back in the opposite order, with the trust of before", () => {
    const plan = rotation(snapshot);
    const cut = plan.steps.findIndex(({ id }) => id === "observe");
    const done = plan.steps.slice(0, cut).map((step) => appliedStep(step));
    const { successions } = plan;
    const back = rollbackSteps(testRollout({ done, successions })).map(({ edit }) => edit);
    expect(back).toMatchObject([
      {
        do: "return",
        credentials: ["member-1/service-1"],
        trust: { adds: [before], removes: [after] },
      },
      {
        do: "return",
        credentials: ["member-2/service-1"],
        trust: { adds: [before], removes: [after] },
      },
      { do: "return" },
      { do: "distrust", deny: true },
    ]);
  });

  test("takes over servers that run with what they came with, and refuses those that do not", () => {
    const request = { id: "plan-1" as PlanId, createdBy: "user:admin", service: service.id };
    expect(() => planTakeOver(snapshot, request)).toThrow(
      expect.objectContaining({ code: "conflict" }),
    );
    const credentials = snapshot.credentials.map((credential) =>
      credential.usage === service.id
        ? { ...credential, desired: { ...credential.desired, minSequence: 0, maxSequence: 0 } }
        : credential,
    );
    const plan = planTakeOver({ ...snapshot, credentials }, request);
    expect(plan.steps.map(({ id }) => id)).toEqual([
      "replace-service-1-1",
      "replace-service-1-2",
      "observe",
    ]);
    expect(plan.kind).toBe("take-over");
    const [first] = plan.steps;
    expect(first?.edit).toMatchObject({ adds: [before], removes: [] });
    const begun = plan.steps.slice(0, 1).map((step) => appliedStep(step));
    const rollout = testRollout({ kind: "take-over", successions: [], done: begun });
    expect(() => rollbackSteps(rollout)).toThrow(expect.objectContaining({ code: "plan-unsafe" }));
    expect(rollbackSteps({ ...rollout, done: [] })).toEqual([]);
  });
});
