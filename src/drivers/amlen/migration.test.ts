import { expect, test } from "vitest";
import { amlenMember } from "../../../test/support/amlen-member.ts";
import { realRoot, serverMaterial } from "../../../test/support/driver-material.ts";
import { seen, service } from "../../../test/support/seen-members.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import {
  configure,
  shownSubject,
  start,
  testMember,
  testPair,
  untilPaired,
  type TestMember,
} from "../../../test/simulators/amlen/test-members.ts";
import { serviceVerdict } from "../../domain/index.ts";
import type { ServiceShape } from "../../domain/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { installedState, installGenerationOf, restoreFiles } from "../member.ts";
import { readStatus } from "../read-status.ts";
import type { Material } from "../render-files.ts";

const deadlineMs = 10_000;

interface Looked {
  readonly test: TestMember;
  readonly member: MemberAt;
  readonly pair: string | null;
}

async function looked(test: TestMember, pair: string | null = null): Promise<Looked> {
  return { test, member: await amlenMember(test), pair };
}

/** As a plan's gate does, with what Node Managers do meanwhile: files that pairing replaced are put back. */
async function untilGood(shape: ServiceShape, members: readonly Looked[]): Promise<void> {
  let last: unknown;
  const isGood = async (): Promise<boolean> => {
    const all = await Promise.all(
      members.map(async ({ member, test, pair }) => {
        const { changed } = await installedState(member.description);
        if (changed.length > 0) await restoreFiles(member.description);
        const status = await readStatus(member);
        return { ...seen(test.server.name, status, { pair }), receivedAtMs: Date.now() };
      }),
    );
    last = serviceVerdict(service(shape), all, Date.now());
    const unchanged = await Promise.all(
      members.map(async ({ member }) => (await installedState(member.description)).changed),
    );
    return (
      serviceVerdict(service(shape), all, Date.now()).health === "good" &&
      unchanged.flat().length === 0
    );
  };
  await waitUntil(isGood, { deadlineMs, what: "a good service" }).catch((cause: unknown) => {
    throw new Error(`the service is not good: ${JSON.stringify(last)}`, { cause });
  });
}

async function inOrder(members: readonly Looked[]): Promise<Looked[]> {
  const roles = await Promise.all(members.map(({ member }) => readStatus(member)));
  const isActive = (i: number): boolean => roles[i]?.role === "active";
  return [...members.filter((_, i) => !isActive(i)), ...members.filter((_, i) => isActive(i))];
}

/** One rolling round: standbys first, each only when the service is good again. */
async function rollOut(
  shape: ServiceShape,
  members: readonly Looked[],
  sequence: number,
  materialOf: (member: Looked) => Material,
): Promise<void> {
  for (const each of await inOrder(members)) {
    await installGenerationOf(each.member, { sequence, material: materialOf(each) });
    await untilGood(shape, members);
  }
}

test("a pair changes its CA in two rounds, trust and then key, and is a pair again after each restart", async () => {
  const [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
  const [first, second] = [await serverMaterial(oldRoot), await serverMaterial(newRoot)];
  const both = [oldRoot.certificate, newRoot.certificate];
  const [a, b] = await testPair();
  const members = [await looked(a), await looked(b)];
  await Promise.all([a.server.start(), b.server.start()]);
  await untilPaired(a, b);
  for (const { member } of members)
    await installGenerationOf(member, { sequence: 1, material: first });
  await untilGood("pair", members);
  await rollOut("pair", members, 2, () => ({ ...first, anchors: both }));
  await rollOut("pair", members, 3, () => ({ ...second, anchors: both }));
  await rollOut("pair", members, 4, () => second);
  for (const { test, member } of members) {
    test.server.kill();
    await test.server.start();
    expect((await installedState(member.description)).changed).toEqual([]);
  }
  await untilGood("pair", members);
});

function clusterOf(members: readonly TestMember[]): void {
  for (const member of members)
    configure(member, "ClusterMembership", {
      EnableClusterMembership: true,
      ClusterName: "cluster",
      UseMulticastDiscovery: false,
      DiscoveryServerList: members.map(({ host }) => `${host.admin}:9104`).join(","),
      ControlAddress: member.host.admin,
      MessagingUseTLS: true,
    });
}

test("a cluster of three changes from built-in credentials, the last member watched as documented", async () => {
  const root = await realRoot();
  const members = [await testMember(), await testMember(), await testMember()];
  clusterOf(members);
  await start(...members);
  const all = await Promise.all(members.map((each) => looked(each)));
  await untilGood("cluster", all);
  const [one, two, last] = all;
  if (one === undefined || two === undefined || last === undefined) throw new Error("three");
  for (const [count, each] of [one, two].entries()) {
    const material = await serverMaterial(root);
    await installGenerationOf(each.member, { sequence: 1, material });
    await waitUntil(
      async () => (await readStatus(last.member))?.cluster?.DisconnectedServers === count + 1,
      { deadlineMs, what: "another disconnected server" },
    );
  }
  await installGenerationOf(last.member, { sequence: 1, material: await serverMaterial(root) });
  await untilGood("cluster", all);
  for (const { host } of members)
    expect(await shownSubject(host.admin, 9105)).toContain("nodemanager-1");
});

test("three pairs in a cluster change their CA, and the verdict is good after every restart", async () => {
  const [oldRoot, newRoot] = [await realRoot("CN=Old"), await realRoot("CN=New")];
  const both = [oldRoot.certificate, newRoot.certificate];
  const pairs = [await testPair(), await testPair(), await testPair()];
  clusterOf(pairs.flat());
  const all: Looked[] = [];
  const [first, second] = [new Map<string, Material>(), new Map<string, Material>()];
  for (const [i, pair] of pairs.entries()) {
    const name = `pair-${i}`;
    first.set(name, { ...(await serverMaterial(oldRoot)), anchors: both });
    second.set(name, { ...(await serverMaterial(newRoot)), anchors: both });
    for (const member of pair) all.push(await looked(member, name));
  }
  const of =
    (credentials: ReadonlyMap<string, Material>) =>
    ({ pair }: Looked): Material => {
      const found = credentials.get(pair ?? "");
      if (found === undefined) throw new Error("no credential");
      return found;
    };
  for (const each of all) {
    const generation = { sequence: 1, material: of(first)(each) };
    await installGenerationOf(each.member, generation, "stopped");
  }
  await start(...pairs.flat());
  await untilGood("cluster", all);
  await rollOut("cluster", all, 2, of(second));
}, 60_000);
