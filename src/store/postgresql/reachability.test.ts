import { expect, onTestFinished, test } from "vitest";
import type { Store } from "../../control/index.ts";
import { entry, host, hostId } from "../../../test/conformance/store/examples.ts";
import { testClock } from "../../../test/conformance/store/harness.ts";
import { accessTo } from "../../../test/support/postgresql-access.ts";
import { PostgresServer } from "../../../test/support/postgresql.ts";
import { waitUntil } from "../../../test/support/wait-until.ts";
import { openPostgresqlStore } from "./open.ts";

test(
  "a store that cannot be reached refuses at once, and gives what it held last, until it is back",
  { timeout: 60_000 },
  async () => {
    const server = await PostgresServer.create();
    onTestFinished(() => server.remove());
    const access = accessTo([server], await server.createDatabase());
    const open = (): Promise<Store> =>
      openPostgresqlStore({ access, writer: "nodemanager-1", clock: testClock });
    const earlier = await open();
    await earlier.write(entry, (tx) => tx.topology.putHost(host(1)));
    await earlier.write(entry, (tx) =>
      tx.accounts.putUser({
        name: "admin",
        role: "administrator",
        passwordHash: "x",
        createdAtMs: 1,
      }),
    );
    await earlier.close();
    const store = await open();
    onTestFinished(() => store.close());
    const revision = await store.revision();
    expect(store.lastKnown()).toBeNull();
    const known = async (): Promise<boolean> =>
      (await store.lastKnown()?.view.topology.hosts())?.length === 1;
    await server.stop("SIGQUIT");
    await waitUntil(known, { deadlineMs: 20_000, what: "it is away, and its hosts are known" });

    const last = store.lastKnown();
    expect(last?.revision).toBe(revision);
    expect(await last?.view.topology.hosts()).toEqual([host(1)]);
    expect(await last?.view.accounts.user("admin")).toMatchObject({ role: "administrator" });
    last?.keepSession({
      tokenHash: "aa",
      holder: { kind: "user", name: "admin", role: "administrator" },
      expiresAtMs: null,
    });
    expect(await last?.view.accounts.session("aa", 1)).toBeDefined();
    const begunMs = performance.now();
    for (const call of [
      () => store.read((view) => view.topology.host(hostId(1))),
      () => store.write(entry, (tx) => tx.topology.putHost(host(2))),
      () => store.note((tx) => tx.accounts.removeSession("aa")),
    ])
      await expect(call()).rejects.toMatchObject({ code: "store-unavailable" });
    expect(performance.now() - begunMs).toBeLessThan(1_000);

    await server.start();
    await waitUntil(() => store.lastKnown() === null, { deadlineMs: 20_000, what: "it is back" });
    expect(await store.read((view) => view.accounts.session("aa", 1))).toBeUndefined();
    await store.write(entry, (tx) => tx.topology.putHost(host(2)));
    expect(await store.read((view) => view.topology.hosts())).toHaveLength(2);
  },
);
