import { expect, onTestFinished, test, vi } from "vitest";
import { memberOf } from "../../../test/support/member.ts";
import { DomainError } from "../../kit/index.ts";
import type { MemberStatus } from "../../domain/index.ts";
import { MemberRole } from "./member-role.ts";

const member = memberOf({} as never);
const says = (role: "active" | "standby"): MemberStatus => ({
  role,
  members: 2,
  connected: 1,
  synchronised: true,
});
const standby = { role: "standby", by: "hand-over" } as const;

function roleOf(take: () => Promise<void> = async () => {}) {
  let taken = 0;
  const role = new MemberRole(async () => {
    taken += 1;
    await take();
  });
  return { role, taken: () => taken };
}

test("a member takes another step as soon as it was asked again, until it has its role", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const { role, taken } = roleOf();
  expect(await role.converge(member, standby, { status: says("active"), asked: 1 })).toBe("step");
  vi.advanceTimersByTime(1_000);
  expect(await role.converge(member, standby, { status: says("active"), asked: 1 })).toBe("wait");
  expect(taken()).toBe(1);
  expect(await role.converge(member, standby, { status: says("active"), asked: 2 })).toBe("step");
  expect(taken()).toBe(2);
  // It may still have to settle in it.
  expect(await role.converge(member, standby, { status: says("standby"), asked: 3 })).toBe(
    "has-it",
  );
  expect(taken()).toBe(2);
  vi.advanceTimersByTime(5_000);
  await role.converge(member, standby, { status: says("standby"), asked: 3 });
  expect(taken()).toBe(3);
});

test("a member that is to have no role, or does not answer, is left alone", async () => {
  const { role, taken } = roleOf();
  await role.converge(member, null, { status: says("active"), asked: 1 });
  await role.converge(member, standby, { status: null, asked: 1 });
  await role.beforeStart(member, null);
  expect(taken()).toBe(0);
});

test("why a member does not take its role is known until it has it", async () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  let isRefused = true;
  const { role, taken } = roleOf(async () => {
    if (isRefused) throw new DomainError("conflict", "the other has no copy");
  });
  await role.converge(member, standby, { status: says("active"), asked: 1 });
  expect(role.error).toBe("one does not have its role, standby: the other has no copy");
  // It is not tried again at once.
  await role.converge(member, standby, { status: says("active"), asked: 2 });
  expect(taken()).toBe(1);
  isRefused = false;
  vi.advanceTimersByTime(1_000);
  await role.converge(member, standby, { status: says("standby"), asked: 4 });
  expect([role.error, taken()]).toEqual([null, 2]);
});
