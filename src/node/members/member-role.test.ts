import { expect, test } from "vitest";
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

test("a member takes its role once, until it was asked again how it is", async () => {
  const { role, taken } = roleOf();
  const seen = { status: says("active"), asked: 1 };
  expect(await role.converge(member, standby, seen)).toBe(true);
  expect(await role.converge(member, standby, seen)).toBe(false);
  expect(taken()).toBe(1);
  expect(await role.converge(member, standby, { ...seen, asked: 2 })).toBe(true);
  expect(await role.converge(member, standby, { status: says("standby"), asked: 3 })).toBe(false);
  expect(taken()).toBe(2);
});

test("a member that has its role, is to have none, or does not answer is left alone", async () => {
  const { role, taken } = roleOf();
  await role.converge(member, standby, { status: says("standby"), asked: 1 });
  await role.converge(member, null, { status: says("active"), asked: 1 });
  await role.converge(member, standby, { status: null, asked: 1 });
  expect(taken()).toBe(0);
});

test("why a member does not take its role is known until it has it", async () => {
  const { role } = roleOf(() =>
    Promise.reject(new DomainError("conflict", "the other has no copy")),
  );
  await role.converge(member, standby, { status: says("active"), asked: 1 });
  expect(role.error).toBe("one is not the standby one yet: the other has no copy");
  // It is not tried again at once.
  expect(await role.converge(member, standby, { status: says("active"), asked: 2 })).toBe(false);
  await role.converge(member, standby, { status: null, asked: 3 });
  expect(role.error).not.toBeNull();
  await role.converge(member, standby, { status: says("standby"), asked: 4 });
  expect(role.error).toBeNull();
});
