import { expect, test } from "vitest";
import {
  amlenDeclared,
  apply,
  clusterOf,
  restarted,
  rotate,
  untilGood,
  watchPair,
  type Declared,
} from "../support/amlen-service.ts";
import { LiveDomain } from "../support/live-domain.ts";
import { waitUntil } from "../support/wait-until.ts";
import { start, testPair } from "../simulators/amlen/test-members.ts";

const speed = 50;
/** Eighteen restarts, each with what has to be well after it. */
const rotationMsMax = 300_000;

test("three pairs in a cluster change their CA, standbys first, and never both of a pair at once", async () => {
  const pairs = [
    await testPair({}, { speed }),
    await testPair({}, { speed }),
    await testPair({}, { speed }),
  ];
  const members = pairs.flat();
  clusterOf(members);
  const declared: Declared = {
    name: "pairs",
    shape: "cluster",
    driver: "amlen",
    supervised: false,
    members: await Promise.all(
      pairs.flatMap((pair, i) =>
        pair.map((each, j) => amlenDeclared(each, `p-${i + 1}-${"ab"[j]}`, `pair-${i + 1}`)),
      ),
    ),
  };
  const domain = await LiveDomain.start(1);
  const id = await apply(domain, declared);
  await waitUntil(
    () => members.every(({ server }) => Object.keys(server.folder.certificateFiles()).length === 6),
    { deadlineMs: 30_000, what: "credentials are there before the first start" },
  );
  await start(...members);
  await untilGood(domain, "pairs");
  const seen = watchPair(members);
  await rotate(domain, id, "overlap", rotationMsMax);
  const [standbys, actives] = ["STANDBY", "PRIMARY"].map((role) => [role, role, role]);
  const round = [...(standbys ?? []), ...(actives ?? [])];
  expect(restarted(seen())).toEqual([...round, ...round, ...round]);
  expect(seen().filter((each) => /away.*away/.test(each))).toEqual([]);
});
