import { expect, onTestFinished, test } from "vitest";
import { refusingPort, startFakeAdmin, type FakeAdmin } from "../../test/support/fake-admin.ts";
import { TestDomain } from "../../test/support/test-domain.ts";
import { AdminConnection } from "./admin-connection.ts";

const findings = "GET /findings";
const serves = {
  "GET /trust": [200, { links: [] }],
  [findings]: [200, { findings: [] }],
} as const;
const isWithoutStore = [503, { code: "store-unavailable", detail: "no database" }] as const;

async function site(count: number) {
  const domain = await TestDomain.create();
  const admins: FakeAdmin[] = [];
  for (let n = 1; n <= count; n++) admins.push(await startFakeAdmin(domain, n, serves));
  domain.publish({ admins: admins.map(({ known }) => known) });
  const connect = (
    ports: readonly number[],
    onLastKnown?: (...last: unknown[]) => void,
  ): (() => Promise<unknown>) => {
    const servers = ports.map((port) => ({ address: "127.0.0.1", port }));
    const connection = new AdminConnection({ trust: domain.trust, servers }, onLastKnown);
    onTestFinished(() => connection.close());
    return () => connection.call("listFindings", {}, "session");
  };
  const calls = (): number[] =>
    admins.map(({ requests }) => requests.filter((what) => what === findings).length);
  return { admins, connect, calls, ports: admins.map(({ known }) => known.port) };
}

test("a command reaches whichever Admin Node Manager answers, and stays there with its session", async () => {
  const { connect, calls, ports } = await site(2);
  const call = connect([await refusingPort(), ...ports]);
  await call();
  await call();
  expect(calls()).toEqual([2, 0]);
});

test("a command passes over one that is cut off from the store, before or in a call", async () => {
  const { admins, connect, calls, ports } = await site(2);
  const [first, second] = admins as [FakeAdmin, FakeAdmin];
  const call = connect(ports);
  first.answers = { ...serves, [findings]: isWithoutStore };
  await call();
  expect(calls()).toEqual([1, 1]);
  await call();
  expect(calls()).toEqual([1, 2]);
  second.answers = { "GET /trust": isWithoutStore };
  first.answers = serves;
  await connect([...ports].toReversed())();
  expect(calls()).toEqual([2, 2]);
});

test("a command ends with the reason when no Admin Node Manager serves it, having asked each once", async () => {
  const { admins, connect, calls, ports } = await site(3);
  for (const admin of admins) admin.answers = { ...serves, [findings]: isWithoutStore };
  await expect(connect(ports)()).rejects.toMatchObject({ code: "store-unavailable" });
  expect(calls()).toEqual([1, 1, 1]);
  await expect(connect(ports.slice(0, 1))()).rejects.toMatchObject({ code: "store-unavailable" });
  expect(calls()).toEqual([2, 1, 1]);
});

test("a command takes what one shows that is cut off only where no other one has better, and says so", async () => {
  const { admins, connect, calls, ports } = await site(3);
  const [first, second] = admins as [FakeAdmin, FakeAdmin];
  const asOf = new Date(1_800_000_000_000);
  const old = [200, { findings: [] }, { "gatehouse-as-of": asOf.toISOString() }] as const;
  const told: unknown[] = [];
  first.answers = { ...serves, [findings]: old };
  second.answers = { ...serves, [findings]: isWithoutStore };
  const call = connect(ports, (...last) => told.push(last));
  await call();
  expect(calls()).toEqual([1, 1, 1]);
  expect(told).toEqual([]);
  const alone = connect(ports.slice(0, 2), (...last) => told.push(last));
  await alone();
  await alone();
  expect(calls()).toEqual([3, 2, 1]);
  expect(told).toEqual([
    [{ address: "127.0.0.1", port: ports[0] }, asOf],
    [{ address: "127.0.0.1", port: ports[0] }, asOf],
  ]);
});
