import { describe, expect, test } from "vitest";
import { DomainError, type CredentialId } from "../kit/index.ts";
import { currentSequence, installGeneration, presentGeneration } from "../keys/index.ts";
import { desireOwn, nodeFixture, nodeHostId } from "../../test/support/node-fixture.ts";
import type { AdminLink } from "./admin-link.ts";
import { convergeCredentials, folderOf } from "./credentials.ts";
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

describe("renewals", () => {
  const traffic = "instance-1/traffic" as CredentialId;

  /** Two that are due, the Node Manager's own ending first; `answer` is what is thrown at a request. */
  async function twoDue(answer: DomainError) {
    const node = await nodeFixture();
    const { state, domain } = node;
    const overdue = { renewFromMs: 0, renewUntilMs: 0 };
    await node.install(
      2,
      await domain.nodeManager(nodeHostId, { authorityId: "management-1" }),
      overdue,
    );
    await presentGeneration(state.layout.nodeCredential, 2);
    desireOwn(node, { presentableSequence: 2 });
    const [own] = state.desired?.credentials ?? [];
    if (own === undefined || state.desired === null) throw new Error("nothing is desired");
    const instance = { id: "instance-1", groupId: "group-1" };
    Object.assign(state.desired, { instances: [instance] });
    const other = { ...own, id: traffic, process: "instance-1", usage: "traffic" } as typeof own;
    state.desired.credentials.unshift(other);
    await installGeneration(folderOf(state, other), {
      sequence: 1,
      keyPem: state.identity.keyPem,
      certificatePem: state.identity.certificatePem,
      chainPem: "",
      meta: { ...overdue, serial: "aa", authorityId: "management-1", notAfterMs: 9e15 },
    });
    await presentGeneration(folderOf(state, other), 1);
    const asked: CredentialId[] = [];
    const call = async (_name: string, { body }: { body: { credentialId: CredentialId } }) => {
      asked.push(body.credentialId);
      throw answer;
    };
    return { state, own: own.id, asked, link: { call } as unknown as AdminLink };
  }

  test("are asked for one at a look, the one that ends first before the others", async () => {
    const { state, own, asked, link } = await twoDue(new DomainError("unreachable", "away"));
    await convergeCredentials(state, link, answering);
    expect(asked).toEqual([own]);
    // Put off for a while after its failure, it does not hold up the next one.
    await convergeCredentials(state, link, answering);
    expect(asked).toEqual([own, traffic]);
    expect(state.health(own).failedRenewals).toBe(1);
  });

  test("that more urgent ones hold up are no failures, and asked for again when told to", async () => {
    const context = { retryAfterMs: 60_000 };
    const { state, own, asked, link } = await twoDue(
      new DomainError("rate-limited", "later", { context }),
    );
    const againAtMs = performance.now() + 60_000;
    for (let look = 0; look < 3; look++) await convergeCredentials(state, link, answering);
    expect(asked).toEqual([own]);
    expect(state.health(own)).toMatchObject({ failedRenewals: 0, lastError: null });
    expect(state.renewAgainAtMs).toBeGreaterThan(againAtMs);
    expect(state.renewAgainAtMs).toBeLessThan(againAtMs + 20_000);
    state.renewAgainAtMs = 0;
    await convergeCredentials(state, link, answering);
    expect(asked).toEqual([own, own]);
  });
});
