import { expect, test } from "vitest";
import type { CredentialId, ProcessId } from "../kit/index.ts";
import type { DesiredState, ObservedReport } from "../contract/index.ts";
import { desireOwn, nodeFixture } from "../../test/support/node-fixture.ts";
import type { AdminLink } from "./admin-link.ts";
import type { InstanceLinks } from "./instance-link.ts";
import type { Instances } from "./instances.ts";
import { Members } from "./members/members.ts";
import { reconcile } from "./reconcile.ts";
import type { HostRole } from "./role.ts";

const role = {
  converge: async () => false,
  endUnlessWorking: async () => {},
  observation: () => null,
  oldestEpoch: null,
} as unknown as HostRole;

test("a host goes on when an instance is deleted in the middle of a look at it", async () => {
  const node = await nodeFixture();
  const { state } = node;
  desireOwn(node, { presentableSequence: 1 });
  const without = state.desired as DesiredState;
  const instance = { id: "instance-1" as ProcessId, groupId: "group-1" };
  const [own] = without.credentials;
  const traffic = {
    ...own,
    id: "instance-1/traffic" as CredentialId,
    process: instance.id,
    usage: "traffic",
  };
  state.received = {
    ...without,
    instances: [instance],
    credentials: [own, traffic],
  } as DesiredState;
  state.isConnected = true;
  const ending = new AbortController();
  const reported: string[][] = [];
  const link = {
    call: async (name: string, { body }: { body: ObservedReport }) => {
      if (name !== "reportObservedState") throw new Error(`${name} is not expected`);
      reported.push(body.credentials.map(({ id }) => id));
      if (reported.length === 2) ending.abort();
      return { seenSerial: state.identity.serial };
    },
  } as unknown as AdminLink;
  const instances = {
    converge: async () => {},
    stateOf: async () => {
      state.received = without;
      return { state: "stopped", pid: null, lastError: null };
    },
    statusOf: () => null,
    filesEpochOf: () => 0,
  } as unknown as Instances;
  state.health(traffic.id).retryAtMs = Infinity;
  const links = {} as InstanceLinks;
  const members = new Members(state);
  const issuing = { report: async () => true };
  await reconcile(state, { link, links, instances, members, issuing, role }, ending.signal);
  expect(reported).toEqual([[own?.id, traffic.id], [own?.id]]);
});
