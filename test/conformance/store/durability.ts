import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { credential, entry, host, issuance, authorityId } from "./examples.ts";
import { openStore, type StoreHarness } from "./harness.ts";

/** Acknowledged issuances after which the writing process is killed: some groups, some links. */
const killAfter = [1, 40, 400];

export function durabilityTests(harness: StoreHarness): void {
  test("what was written is there when the store is opened again", async () => {
    const place = await harness.place();
    const store = await openStore(harness, place);
    await store.write(entry, async (tx) => {
      await tx.topology.putHost(host(1));
      await tx.credentials.put(credential("instance-1"));
      await tx.issuances.append(issuance("01"));
    });
    const revision = await store.revision();
    await store.close();
    const again = await openStore(harness, place);
    expect(await again.revision()).toBe(revision);
    await again.read(async (view) => {
      expect(await view.topology.hosts()).toEqual([host(1)]);
      expect(await view.credentials.all()).toEqual([credential("instance-1")]);
      expect(await view.issuances.count()).toBe(1);
      expect(await view.audit.verify()).toMatchObject({ ok: true, links: 1 });
    });
  });

  test.each(killAfter)(
    "every acknowledged issuance is there when the process was killed after %i",
    async (count) => {
      const place = await harness.place();
      const acknowledged = await issueAndKill(harness, place, count);
      expect(acknowledged.length).toBeGreaterThanOrEqual(count);
      const store = await openStore(harness, place);
      await store.read(async (view) => {
        for (const serial of acknowledged)
          expect(await view.issuances.find(authorityId(1), serial), serial).toBeDefined();
        const issuances = await view.issuances.page({}, 1_000_000);
        expect(issuances.map(({ position }) => position)).toEqual(issuances.map((_, i) => i + 1));
        const records = await view.audit.page({}, 1_000_000);
        expect(records.map(({ subject }) => subject)).toEqual(
          issuances.map(({ issuance: { serial } }) => serial),
        );
        expect(await view.audit.verify()).toMatchObject({ ok: true, issuances: issuances.length });
      });
      await store.write(entry, (tx) => tx.issuances.append(issuance("after")));
      expect(await store.read((view) => view.audit.verify())).toMatchObject({ ok: true });
    },
  );
}

/** Starts the writing program, kills it once `count` serials are acknowledged, returns all that were. */
async function issueAndKill(
  harness: StoreHarness,
  place: string,
  count: number,
): Promise<string[]> {
  const child = spawn(process.execPath, [fileURLToPath(harness.writerProgram), place], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exited = once(child, "exit");
  const acknowledged: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(line);
    if (acknowledged.length === count) child.kill("SIGKILL");
  }
  await exited;
  return acknowledged;
}
