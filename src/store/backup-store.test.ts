import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { Store } from "../control/index.ts";
import type { AuthorityId, CredentialId, HostId } from "../kit/index.ts";
import {
  authority,
  credential,
  entry,
  host,
  issuance,
} from "../../test/conformance/store/examples.ts";
import { testClock as clock } from "../../test/conformance/store/harness.ts";
import { accessTo } from "../../test/support/postgresql-access.ts";
import { PostgresServer } from "../../test/support/postgresql.ts";
import { tempFolder } from "../../test/support/temp-folder.ts";
import { backUpStore, continueStore, type BackupSource } from "./backup-store.ts";
import { openPostgresqlStore } from "./postgresql/open.ts";
import { openSqliteStore } from "./sqlite/open.ts";

const writer = "nodemanager-1";
let server: PostgresServer;

beforeAll(async () => {
  server = await PostgresServer.create();
}, 60_000);
afterAll(() => server?.remove());

async function embedded(folder: string): Promise<Store> {
  const store = await openSqliteStore({ folder, writer, clock });
  onTestFinished(() => store.close());
  return store;
}

const sources: Readonly<Record<string, () => Promise<{ store: Store; source: BackupSource }>>> = {
  sqlite: async () => {
    const folder = await tempFolder();
    return { store: await embedded(folder), source: { folder } };
  },
  postgresql: async () => {
    await server.query("create database backed_up", "postgres");
    const access = accessTo([server], "backed_up");
    const store = await openPostgresqlStore({ access, writer, clock });
    onTestFinished(() => store.close());
    return { store, source: { access } };
  },
};

async function fill(store: Store): Promise<void> {
  await store.write(entry, async (tx) => {
    await tx.topology.putHost(host(1));
    await tx.authorities.put(authority(1));
    await tx.credentials.put(credential("instance-1"));
    await tx.topology.nextNumber("host", 7);
    await tx.issuances.append(issuance("a1"));
  });
}

test.each(Object.keys(sources))(
  "a %s store is backed up while it is written to, and the copy verifies and goes on where nobody has been",
  async (kind) => {
    const { store, source } = (await sources[kind]?.()) ?? expect.unreachable();
    await fill(store);
    const before = await store.read(async (view) => ({
      host: await view.topology.host("host-1" as HostId),
      credential: await view.credentials.get("instance-1/management" as CredentialId),
    }));
    const folder = join(await tempFolder(), "store");
    await mkdir(folder);
    let n = 0;
    const writes = (async () => {
      while (n < 200)
        await store.write(entry, (tx) => tx.issuances.append(issuance(`b${(n += 1)}`)));
    })();
    await backUpStore(source, join(folder, "gatehouse.db"), clock);
    const seen = n;
    await writes;
    expect(await readdir(folder)).toEqual(["gatehouse.db"]);

    continueStore(folder);
    const copy = await embedded(folder);
    const found = await copy.read(async (view) => ({
      verdict: await view.audit.verify(),
      host: await view.topology.host("host-1" as HostId),
      credential: await view.credentials.get("instance-1/management" as CredentialId),
      first: await view.issuances.find("authority-1" as AuthorityId, "a1"),
      count: await view.issuances.count(),
    }));
    expect(found.verdict).toMatchObject({ ok: true });
    expect(found.first?.serial).toBe("a1");
    expect(found.count).toBeGreaterThanOrEqual(1);
    expect(found.count).toBeLessThanOrEqual(seen + 2);
    expect(found.host?.documentVersion).toBeGreaterThan(before.host?.documentVersion ?? Infinity);
    expect(found.credential?.lastSequence).toBeGreaterThan(
      before.credential?.lastSequence ?? Infinity,
    );
    expect(await copy.write(entry, (tx) => tx.topology.nextNumber("host", 1))).toBeGreaterThan(
      1000,
    );
    await expect(
      copy.write(entry, (tx) => tx.issuances.append(issuance("a1"))),
    ).rejects.toMatchObject({ code: "conflict" });
  },
);
