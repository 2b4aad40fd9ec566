import { expect, onTestFinished, test } from "vitest";
import { refusingPort, startFakeAdmin, type FakeAdmin } from "../../test/support/fake-admin.ts";
import { TestDomain } from "../../test/support/test-domain.ts";
import { ManagedRelyingParty } from "./relying-party.ts";

const trust = "GET /trust";
const report = "PUT /relying-parties/self";
const answers = {
  [trust]: [200, { links: [] }],
  "GET /relying-parties/self": [200, { id: "party-1", prove: [], listeners: [] }],
  [report]: [204, null],
} as const;

async function site(count: number, firstPort?: number) {
  const domain = await TestDomain.create();
  const admins: FakeAdmin[] = [];
  for (let n = 1; n <= count; n++) admins.push(await startFakeAdmin(domain, n, answers));
  domain.publish({ admins: admins.map(({ known }) => known) });
  const port = firstPort ?? admins[0]?.known.port ?? 0;
  const party = new ManagedRelyingParty({
    server: { address: "127.0.0.1", port },
    trust: domain.trust,
    token: "token",
  });
  onTestFinished(() => party.close());
  const step = (): Promise<void> =>
    party.step(
      () => {},
      () => null,
    );
  const reports = (): number[] =>
    admins.map(({ requests }) => requests.filter((what) => what === report).length);
  return { admins, step, reports };
}

test("a relying party whose server is gone reports to another one, and stays with it", async () => {
  const { step, reports } = await site(1, await refusingPort());
  await step();
  await step();
  expect(reports()).toEqual([2]);
});

test("a relying party goes on to the next one when one answers 503 in the middle", async () => {
  const { admins, step, reports } = await site(3);
  const [first, ...others] = admins as [FakeAdmin, ...FakeAdmin[]];
  await step();
  expect(reports()).toEqual([1, 0, 0]);
  first.answers = { ...answers, [report]: [503, { code: "store-unavailable" }] };
  await step();
  expect([
    [2, 1, 0],
    [2, 0, 1],
  ]).toContainEqual(reports());
  for (const other of others) other.answers = { [trust]: [503, { code: "store-unavailable" }] };
  await expect(step()).rejects.toMatchObject({ code: "store-unavailable" });
  first.answers = answers;
  await step();
  expect(reports()[0]).toBe(4);
});

test("a refusal of the relying party itself is not taken elsewhere", async () => {
  const { admins, step } = await site(2);
  const [first, second] = admins as [FakeAdmin, FakeAdmin];
  first.answers = { ...answers, [report]: [401, { code: "unauthenticated" }] };
  await expect(step()).rejects.toMatchObject({ code: "unauthenticated" });
  expect(second.requests).toEqual([]);
});
