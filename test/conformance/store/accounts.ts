import { expect, test } from "vitest";
import type { IdempotentAnswer, JoinToken, Session, User } from "../../../src/control/index.ts";
import { entry } from "./examples.ts";
import { openStore, type StoreHarness } from "./harness.ts";

const user: User = {
  name: "admin",
  role: "administrator",
  passwordHash: "$argon2id$",
  createdAtMs: 1,
};
const session: Session = {
  tokenHash: "t1",
  holder: { kind: "user", name: "admin", role: "administrator" },
  expiresAtMs: 100,
};
const token: JoinToken = {
  id: "j1",
  secretHash: "s",
  hostName: null,
  createdBy: "user:admin",
  expiresAtMs: 100,
  usedAtMs: null,
};
const answer: IdempotentAnswer = {
  key: "k",
  requestHash: "r",
  status: 201,
  body: "{}",
  expiresAtMs: 100,
};

export function accountTests(harness: StoreHarness): void {
  test("accounts give back what was put and find nothing else", async () => {
    const store = await openStore(harness);
    await store.write(entry, async (tx) => {
      await tx.accounts.putUser({ ...user, role: "operator" });
      await tx.accounts.putUser(user);
      await tx.accounts.putJoinToken(token);
      await tx.accounts.putJoinToken({ ...token, usedAtMs: 7 });
      await tx.accounts.putAnswer(answer);
    });
    await store.read(async (view) => {
      expect(await view.accounts.user("admin")).toEqual(user);
      expect(await view.accounts.user("nobody")).toBeUndefined();
      expect(await view.accounts.joinToken("j1")).toEqual({ ...token, usedAtMs: 7 });
      expect(await view.accounts.joinToken("j2")).toBeUndefined();
      expect(await view.accounts.answer("k", 99)).toEqual(answer);
      expect(await view.accounts.answer("k", 100)).toBeUndefined();
    });
  });

  test("sessions are found until they expire or are removed", async () => {
    const store = await openStore(harness);
    await store.note(async (tx) => {
      await tx.accounts.putSession(session);
      await tx.accounts.putSession({ ...session, tokenHash: "t2", expiresAtMs: null });
    });
    const found = (hash: string, nowMs: number): Promise<Session | undefined> =>
      store.read((view) => view.accounts.session(hash, nowMs));
    expect(await found("t1", 99)).toEqual(session);
    expect(await found("t1", 100)).toBeUndefined();
    expect(await found("t2", 1e15)).toEqual({ ...session, tokenHash: "t2", expiresAtMs: null });
    await store.note((tx) => tx.accounts.removeSession("t2"));
    expect(await found("t2", 1)).toBeUndefined();
  });

  test("sweeping removes what has expired and keeps the rest", async () => {
    const store = await openStore(harness);
    await store.note(async (tx) => {
      for (const [name, expiresAtMs] of [
        ["old", 10],
        ["new", 20],
      ] as const) {
        await tx.accounts.putSession({ ...session, tokenHash: name, expiresAtMs });
        await tx.accounts.putJoinToken({ ...token, id: name, expiresAtMs });
        await tx.accounts.putAnswer({ ...answer, key: name, expiresAtMs });
      }
      await tx.accounts.putSession({ ...session, tokenHash: "kept", expiresAtMs: null });
      await tx.accounts.sweep(15);
    });
    await store.read(async (view) => {
      for (const [name, there] of [
        ["old", false],
        ["new", true],
      ] as const) {
        expect((await view.accounts.session(name, 0)) !== undefined).toBe(there);
        expect((await view.accounts.joinToken(name)) !== undefined).toBe(there);
        expect((await view.accounts.answer(name, 0)) !== undefined).toBe(there);
      }
      expect(await view.accounts.session("kept", 0)).toBeDefined();
    });
  });

  test("a lease is claimed only as it was seen, and every claim fences the one before", async () => {
    const store = await openStore(harness);
    expect(await store.note((tx) => tx.leases.get("leader"))).toBeUndefined();
    const first = await store.note((tx) => tx.leases.claim("leader", "a", undefined));
    expect(first).toMatchObject({ name: "leader", holder: "a", fencingToken: 1 });
    await expect(
      store.note((tx) => tx.leases.claim("leader", "b", undefined)),
    ).rejects.toMatchObject({ code: "conflict" });
    const renewed = await store.note((tx) => tx.leases.renew(first));
    expect(renewed).toEqual({ ...first, renewals: first.renewals + 1 });
    await expect(store.note((tx) => tx.leases.claim("leader", "b", first))).rejects.toMatchObject({
      code: "conflict",
    });
    const second = await store.note((tx) => tx.leases.claim("leader", "b", renewed));
    expect(second).toMatchObject({ holder: "b", fencingToken: 2 });
    expect(second.renewals).toBeGreaterThan(renewed.renewals);
    await expect(store.note((tx) => tx.leases.renew(renewed))).rejects.toMatchObject({
      code: "not-leader",
    });
    expect(await store.note((tx) => tx.leases.get("leader"))).toEqual(second);
  });

  test("a leader's write fails when its fencing token is not the newest", async () => {
    const store = await openStore(harness);
    await expect(store.note((tx) => tx.leases.require("leader", 1))).rejects.toMatchObject({
      code: "not-leader",
    });
    const a = await store.note((tx) => tx.leases.claim("leader", "a", undefined));
    await store.note((tx) => tx.leases.require("leader", a.fencingToken));
    await store.note((tx) => tx.leases.claim("leader", "b", a));
    await expect(
      store.note((tx) => tx.leases.require("leader", a.fencingToken)),
    ).rejects.toMatchObject({ code: "not-leader" });
  });

  test("one of many candidates gets the lease when all claim at once", async () => {
    const store = await openStore(harness);
    const claims = await Promise.allSettled(
      ["a", "b", "c"].map((name) => store.note((tx) => tx.leases.claim("leader", name, undefined))),
    );
    expect(claims.map(({ status }) => status).toSorted()).toEqual([
      "fulfilled",
      "rejected",
      "rejected",
    ]);
  });
}
