import { expect, onTestFinished, test } from "vitest";
import type { DomainError } from "../../kit/index.ts";
import { entry, issuance, authorityId } from "../../../test/conformance/store/examples.ts";
import { testClock } from "../../../test/conformance/store/harness.ts";
import { accessTo } from "../../../test/support/postgresql-access.ts";
import { PostgresServer } from "../../../test/support/postgresql.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import { openPostgresqlStore } from "./open.ts";

const timeoutMs = 60_000;

test(
  "no acknowledged write is lost when the primary dies, and the one of the past is refused",
  { timeout: timeoutMs },
  async () => {
    const primary = await PostgresServer.create();
    onTestFinished(() => primary.remove());
    const database = await primary.createDatabase();
    const standby = await primary.createSynchronousStandby();
    onTestFinished(() => standby.remove());
    const access = accessTo([standby, primary], database);
    const store = await openPostgresqlStore({ access, writer: "nodemanager-1", clock: testClock });
    onTestFinished(() => store.close());
    const acknowledged: string[] = [];
    const refused: string[] = [];
    let isWriting = true;
    const writers = Array.from({ length: 4 }, async (_, w) => {
      for (let n = 0; isWriting; n++) {
        const serial = `${w}f${n.toString(16)}`;
        await store
          .write({ ...entry, subject: serial }, (tx) => tx.issuances.append(issuance(serial)))
          .then(
            () => acknowledged.push(serial),
            (error: { code?: string }) => refused.push(String(error.code)),
          );
      }
    });
    await waitUntil(() => acknowledged.length > 50, { deadlineMs: 20_000, what: "some writes" });
    await primary.stop("SIGQUIT");
    const atDeath = acknowledged.length;
    await standby.promote();
    await waitUntil(() => acknowledged.length > atDeath + 50, {
      deadlineMs: 20_000,
      what: "writes on the new primary",
    });
    await primary.start();
    const timeline = access.known()?.timeline;
    expect(timeline).toBe(2);
    isWriting = false;
    await Promise.all(writers);
    await store.read(async (view) => {
      for (const serial of acknowledged)
        expect(await view.issuances.find(authorityId(1), serial), serial).toBeDefined();
      expect(await view.audit.verify()).toMatchObject({ ok: true });
    });
    expect(refused.filter((code) => code !== "store-unavailable")).toEqual([]);
    const fromPrimary = { ...accessTo([primary], database), known: access.known };
    await expect(
      openPostgresqlStore({ access: fromPrimary, writer: "nodemanager-2", clock: testClock }),
    ).rejects.toThrow(/primary of the past \(timeline 1, known is 2\)/);
  },
);

test("another database at the same address is refused", { timeout: timeoutMs }, async () => {
  const server = await PostgresServer.create();
  onTestFinished(() => server.remove());
  const database = await server.createDatabase();
  const access = {
    ...accessTo([server], database),
    known: () => ({ systemIdentifier: "1", timeline: 1 }),
  };
  await expect(
    openPostgresqlStore({ access, writer: "nodemanager-1", clock: testClock }),
  ).rejects.toMatchObject({
    code: "store-unavailable",
    message: expect.stringContaining("is another database"),
  });
});

test("each mistake in the access to a database is told apart, with what to do", async () => {
  const server = await PostgresServer.create();
  onTestFinished(() => server.remove());
  const reasonFor = (access: ReturnType<typeof accessTo>): Promise<string> =>
    openPostgresqlStore({ access, writer: "nodemanager-1", clock: testClock }).then(
      () => "none",
      ({ code, message }: DomainError) => `${code}: ${message}`,
    );
  const right = accessTo([server], await server.createDatabase());
  const verified = { ...right.address, sslMode: "verify-full" as const };
  const at = `store-unavailable: no server of the database takes writes: 127.0.0.1:${server.port}`;
  expect(await reasonFor({ ...right, password: async () => "wrong" })).toBe(
    `${at} refuses the password: check it and the user`,
  );
  expect(await reasonFor({ ...right, password: async () => undefined })).toMatch(
    `${at} asks for a password, and none is given: --db-password-file`,
  );
  expect(await reasonFor(accessTo([server], "none"))).toMatch(`${at} has no such database`);
  expect(await reasonFor({ ...right, address: verified })).toBe(
    `${at} does not offer TLS: set it up there, or add sslmode=disable to the URL`,
  );
  const address = { ...verified, rootCertificateFile: "/none/ca.pem" };
  expect(await reasonFor({ ...right, address })).toBe(
    `${at} cannot be verified: /none/ca.pem, the file of sslrootcert, cannot be read: check the path`,
  );
  await server.stop();
  expect(await reasonFor(right)).toMatch(`${at} refuses connections`);
});
