import { expect, test } from "vitest";
import { DomainError } from "../kit/index.ts";
import { currentSequence } from "../keys/index.ts";
import { desireOwn, nodeFixture, nodeHostId } from "../../test/support/node-fixture.ts";
import type { AdminLink } from "./admin-link.ts";
import { convergeCredentials } from "./credentials.ts";
import type { Instances } from "./instances.ts";

const link = {} as AdminLink;
const answering = { reloadAll: async () => {} } as Instances;
const hung = {
  reloadAll: () => Promise.reject(new DomainError("not-running", "instance-1 does not answer")),
} as unknown as Instances;

async function withNewGeneration(lifetimeLeftMs?: number) {
  const node = await nodeFixture(lifetimeLeftMs);
  await node.install(2, await node.domain.nodeManager(nodeHostId, { authorityId: "management-1" }));
  desireOwn(node, { presentableSequence: 2 });
  return node;
}

test("a new certificate of the Node Manager waits while an instance has not loaded its key", async () => {
  const { state, own } = await withNewGeneration();
  await convergeCredentials(state, link, hung);
  expect(await currentSequence(state.layout.nodeCredential)).toBe(1);
  expect(state.health(own)).toMatchObject({
    failedRenewals: 1,
    lastError: "instance-1 does not answer",
  });
});

test("a new certificate is presented all the same when the one in use is about to end", async () => {
  const { state, own } = await withNewGeneration(60_000);
  await convergeCredentials(state, link, hung);
  expect(await currentSequence(state.layout.nodeCredential)).toBe(2);
  expect(state.health(own).lastError).toBeNull();
});

test("an error is forgotten when the credential is as desired again", async () => {
  const node = await withNewGeneration();
  const { state, own } = node;
  await convergeCredentials(state, link, hung);
  state.health(own).retryAtMs = 0;
  // The wish is taken back: what is presented now is what is wanted.
  desireOwn(node, { presentableSequence: 1 });
  await convergeCredentials(state, link, answering);
  expect(await currentSequence(state.layout.nodeCredential)).toBe(1);
  expect(state.health(own)).toMatchObject({ failedRenewals: 0, lastError: null });
});
