import { readFile } from "node:fs/promises";
import { spawn } from "node:child_process";
import { onTestFinished } from "vitest";
import { initializeHome } from "../../src/admin/offline.ts";
import { homeLayout, type HomeLayout } from "../../src/domain/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  LoadedTrust,
  type SavedTrust,
} from "../../src/transport/index.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { nodePath } from "../../scripts/ensure.mjs";
import { freePort } from "./free-port.ts";
import { tempFolder } from "./temp-folder.ts";
import { waitUntil } from "./wait-until.ts";

export const adminPassword = "only for this test";

/** A running Admin Node Manager of a fresh domain, without a Node Manager beside it. */
export interface AdminProcess {
  readonly layout: HomeLayout;
  readonly port: number;
  readonly trust: LoadedTrust;
  /** Calls as a user without a certificate; the server is verified. */
  readonly caller: ApiCaller;
  /** Header of the administrator's session. */
  readonly administrator: { readonly authorization: string };
}

/**
 * Initializes a home folder and starts its Admin Node Manager; both are gone after the test. There
 * is also the user `reader`, an operator with the administrator's password. `prepare` runs before it starts.
 */
export async function startAdmin(
  prepare: (layout: HomeLayout) => Promise<void> = async () => {},
): Promise<AdminProcess> {
  const home = await tempFolder();
  const layout = homeLayout(home);
  const port = await freePort();
  await initializeHome(home, {
    domainName: "CN=Domain",
    hostName: "host-1.test",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager",
    port,
    administrator: { name: "admin", password: adminPassword },
  });
  await addOperator(layout);
  await prepare(layout);
  const program = new URL("../../src/admin/main.ts", import.meta.url).pathname;
  const child = spawn(nodePath(), [program, "--home", home], { stdio: "ignore" });
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await new Promise((resolve) =>
      child.exitCode === null && child.signalCode === null
        ? child.once("exit", resolve)
        : resolve(null),
    );
  });
  const trust = LoadedTrust.restore(JSON.parse(await readFile(layout.trust, "utf8")) as SavedTrust);
  const caller = new ApiCaller(
    { address: "127.0.0.1", port, prefix: apiPrefix },
    adminServerTls({ trust, caller: "user", nowMs: () => Date.now() }),
  );
  onTestFinished(() => caller.close());
  const session = await waitUntil(
    () => callApi(caller, "logIn", { body: { username: "admin", password: adminPassword } }),
    { deadlineMs: 30_000, what: "the Admin Node Manager answers" },
  );
  return {
    layout,
    port,
    trust,
    caller,
    administrator: { authorization: `Bearer ${session.token}` },
  };
}

async function addOperator(layout: HomeLayout): Promise<void> {
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const store = await openSqliteStore({ folder: layout.store, writer: "nodemanager-1", clock });
  await store.note(async (tx) => {
    const admin = await tx.accounts.user("admin");
    if (admin !== undefined)
      await tx.accounts.putUser({ ...admin, name: "reader", role: "operator" });
  });
  await store.close();
}
