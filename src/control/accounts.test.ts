import { describe, expect, test } from "vitest";
import {
  testActor,
  testControlDomain,
  testEnvironment,
  type TestEnvironment,
} from "../../test/support/control-environment.ts";
import { createRelyingParty, findSession, logIn, logOut } from "./accounts.ts";

async function domain(): Promise<TestEnvironment> {
  const env = await testEnvironment();
  await testControlDomain(env);
  return env;
}

describe("logIn", () => {
  test("gives a session that is valid until it ends, is logged out, or the secret is another", async () => {
    const env = await domain();
    const { token, role, expiresAtMs } = await logIn(env, {
      username: "admin",
      password: "secret",
    });
    expect(role).toBe("administrator");
    expect(await findSession(env, token)).toMatchObject({
      holder: { kind: "user", name: "admin" },
    });
    expect(await findSession(env, `${token}0`)).toBeUndefined();
    env.clock.advance(expiresAtMs - env.clock.nowMs());
    expect(await findSession(env, token)).toBeUndefined();
  });

  test("ends with logOut, and only that session", async () => {
    const env = await domain();
    const sessions = [1, 2].map(() => logIn(env, { username: "admin", password: "secret" }));
    const [one, two] = await Promise.all(sessions);
    await logOut(env, one?.token ?? "");
    expect(await findSession(env, one?.token ?? "")).toBeUndefined();
    expect(await findSession(env, two?.token ?? "")).toBeDefined();
  });

  test("says the same for a wrong password and an unknown user", async () => {
    const env = await domain();
    const failures = await Promise.all(
      [
        { username: "admin", password: "wrong" },
        { username: "nobody", password: "secret" },
      ].map((request) =>
        logIn(env, request).then(
          () => "logged in",
          (error: unknown) => String(error),
        ),
      ),
    );
    expect(new Set(failures)).toEqual(
      new Set(["DomainError: the user name or the password is wrong"]),
    );
  });

  test("writes neither password nor token to the store's log", async () => {
    const env = await domain();
    const { token } = await logIn(env, { username: "admin", password: "secret" });
    const audit = JSON.stringify(await env.store.read((view) => view.audit.page({}, 100)));
    expect(audit).toContain("session.start");
    expect(audit).not.toContain(token);
    expect(audit).not.toContain("secret");
  });
});

describe("createRelyingParty", () => {
  test("gives a token that never expires and stands for this party only", async () => {
    const env = await domain();
    const { id, token } = await createRelyingParty(env, { name: "billing", actor: testActor });
    env.clock.advance(1e12);
    expect(await findSession(env, token)).toMatchObject({ holder: { kind: "relying-party", id } });
  });
});
