import { expect, test } from "vitest";
import {
  amlenDeclared,
  apply,
  clusterOf,
  membersWith,
  restarted,
  rotate,
  untilGood,
  watchPair,
  type Declared,
} from "../support/amlen-service.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { waitUntil } from "../support/wait-until.ts";
import {
  call,
  start,
  testMember,
  testPair,
  untilPaired,
} from "../simulators/amlen/test-members.ts";

const builtIn = "well-known-credentials";
/** Fast, and slow enough that what is in between can be seen. */
const speed = 50;
/** In seconds of the servers: a minute of the test. */
const discoverySeconds = 60 * speed;

/** Before the domain is there: what looks after it ends first. */
async function builtInPair(timeoutSeconds = discoverySeconds) {
  const [primary, standby] = await testPair({ DiscoveryTimeout: timeoutSeconds }, { speed });
  await start(primary, standby);
  await untilPaired(primary, standby);
  const declared: Declared = {
    name: "pair",
    shape: "pair",
    driver: "amlen",
    supervised: false,
    builtIn: true,
    members: [await amlenDeclared(primary, "a"), await amlenDeclared(standby, "b")],
  };
  return { primary, standby, declared };
}

async function untilFound(
  domain: LiveDomain,
  service: string,
  code: string,
  count: number,
): Promise<void> {
  await waitUntil(async () => (await membersWith(domain, service, code)) === count, {
    deadlineMs: 20_000,
    what: `${count} members of ${service} with ${code}`,
  });
}

test("a pair that runs on built-in credentials gets its own, and then those of other CAs", async () => {
  const { primary, standby, declared } = await builtInPair();
  const domain = await LiveDomain.start(1);
  const id = await apply(domain, declared);
  await untilFound(domain, "pair", builtIn, 2);
  const { members } = await domain.call("getService", { params: { service: "pair" } });
  expect(members.map(({ observed }) => observed?.problem)).toEqual([null, null]);
  expect(primary.server.folder.certificateFiles()).toEqual({});
  const seen = watchPair([primary, standby]);

  const wish = { kind: "take-over", service: id } as const;
  const { problems } = await domain.call("createPlan", { body: wish });
  expect(problems.map(({ code }) => code)).toContain("documented-outage");
  await domain.follow(await domain.roll(wish));
  await untilFound(domain, "pair", builtIn, 0);
  const takenOver = seen().splice(0);
  expect(restarted(takenOver)).toEqual(["STANDBY", "PRIMARY"]);
  expect(takenOver).toContain("PRIMARY 1/1, UNSYNC 0/0");
  expect(takenOver.at(-1)).toBe("PRIMARY 2/2, STANDBY 2/2");

  await rotate(domain, id, "overlap");
  const overlapped = seen().splice(0);
  // Trust, the key, and the new CA alone; whoever stands by then goes first.
  const round = ["STANDBY", "PRIMARY"];
  expect(restarted(overlapped)).toEqual([...round, ...round, ...round]);
  expect(overlapped.filter((each) => /(UNSYNC|away).*(UNSYNC|away)/.test(each))).toEqual([]);
  expect(overlapped.at(-1)).toBe("STANDBY 2/2, PRIMARY 2/2");

  await rotate(domain, id, "documented");
  expect(restarted(seen())).toEqual(round);
  expect(seen()).toContain("UNSYNC 0/0, PRIMARY 1/1");
  expect(seen().at(-1)).toContain("PRIMARY 2/2");
  expect(await membersWith(domain, "pair", builtIn)).toBe(0);
});

test("a member that gives up looking for its partner in the middle of a plan blocks it, and is named", async () => {
  const { declared } = await builtInPair(3 * speed);
  const domain = await LiveDomain.start(1);
  const service = await apply(domain, declared);
  await untilFound(domain, "pair", builtIn, 2);
  const id = await domain.roll({ kind: "take-over", service });
  const params = { id };
  const steps = async (): Promise<number> =>
    (await domain.call("getRollout", { params })).rollout.done.length;
  await waitUntil(async () => (await steps()) > 0, { deadlineMs: 10_000, what: "the first step" });
  await domain.call("pauseRollout", { params });
  expect(await steps()).toBe(1);
  // The standby alone has new credentials: its partner does not know them until the second step.
  await untilFound(domain, "pair", "member-in-maintenance", 1);
  await domain.call("resumeRollout", { params });
  let blockers = "";
  const isNamed = async (): Promise<boolean> => {
    const { blockers: found, rollout } = await domain.call("getRollout", { params });
    blockers = found.map(({ text }) => text).join("\n");
    return rollout.status === "running" && /^b .* maintenance/m.test(blockers);
  };
  await waitUntil(isNamed, { deadlineMs: 20_000, what: "b is named" }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${blockers}`);
  });
  await expect(domain.call("rollBackRollout", { params })).rejects.toMatchObject({
    code: "plan-unsafe",
  });
});

test("a cluster of three leaves its built-in credentials one at a time, and its last member sees that", async () => {
  const members = [
    await testMember({ speed }),
    await testMember({ speed }),
    await testMember({ speed }),
  ];
  clusterOf(members);
  await start(...members);
  const declared: Declared = {
    name: "cluster",
    shape: "cluster",
    driver: "amlen",
    supervised: false,
    builtIn: true,
    members: await Promise.all(members.map((each, i) => amlenDeclared(each, `c-${i + 1}`))),
  };
  const domain = await LiveDomain.start(1);
  const id = await apply(domain, declared);
  await untilFound(domain, "cluster", builtIn, 3);
  const last = members.at(-1);
  if (last === undefined) throw new Error("there are three");
  const rollout = await domain.roll({ kind: "take-over", service: id });
  const counts: unknown[] = [];
  const state = { isOver: false };
  const watching = (async () => {
    while (!state.isOver) {
      const answer = await call(last, "GET", "service/status/Cluster").catch(() => null);
      const cluster = answer?.body["Cluster"] as { DisconnectedServers?: number } | undefined;
      const count = cluster?.DisconnectedServers;
      if (count !== undefined && counts.at(-1) !== count) counts.push(count);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  await domain.follow(rollout);
  state.isOver = true;
  await watching;
  expect(counts.slice(0, 3)).toEqual([0, 1, 2]);
  expect(counts.at(-1)).toBe(0);
  await untilFound(domain, "cluster", builtIn, 0);
  await untilGood(domain, "cluster");
});
