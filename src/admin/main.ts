import { describeError, DomainError, errorCodes, isDomainError } from "../kit/index.ts";
import { homeLayout, type HomeLayout, type NodeSettings } from "../domain/index.ts";
import { LeaseCandidate } from "../control/index.ts";
import { ensureFolder, finishReplacement, KeyProtection, writeFileAtomic } from "../keys/index.ts";
import { lockHome, requireStore } from "../store/index.ts";
import { handedPassphrases, markOf, readNodeSettings, reloadListener } from "../transport/index.ts";
import { isDenied } from "./access.ts";
import { AdminState } from "./admin-state.ts";
import { usesDatabase } from "./database.ts";
import { dialHosts } from "./dial-hosts.ts";
import { openEnvironment } from "./environment.ts";
import { runJobs } from "./jobs.ts";
import { createLogger } from "./log.ts";
import { registerOperations } from "./operations.ts";
import { announceSealingKey } from "./sealing-key.ts";
import { createServer } from "./server.ts";
import { readTrustKey } from "./trust-key.ts";

async function readSettings(layout: HomeLayout): Promise<NodeSettings> {
  const settings = await readNodeSettings(layout.nodeSettings);
  if (settings !== null) return settings;
  throw new DomainError(
    "home-missing",
    `${layout.nodeSettings} is not there: run \`managedomain --initialize\` first`,
  );
}

async function run(home: string): Promise<void> {
  const layout = homeLayout(home);
  const settings = await readSettings(layout);
  const log = createLogger("admin-node-manager", settings.hostId);
  await ensureFolder(layout.run, 0o700);
  if (!(await usesDatabase(layout))) requireStore(layout.store);
  const lock = await lockHome(layout.store);
  await finishReplacement(layout.authorityKeys);
  const env = await openEnvironment(layout, settings.nodeManagerId, await readTrustKey(layout));
  const candidate = new LeaseCandidate({
    ...env,
    holder: settings.nodeManagerId,
    leaseMs: env.policy.leaseSeconds * 1000,
    isAlone: () => env.isStoreOurs(),
  });
  const { current = null, former = [] } = (await handedPassphrases()) ?? {};
  const keys = new KeyProtection(current, former);
  const state = new AdminState({ env, layout, settings, candidate, log, keys });
  if (await env.authorityKeys.isLocked())
    log.warn("the keys are locked: `gatehouse authority unlock` on this host lets it sign");
  if (!(await env.authorityKeys.files.isLocked())) await announceSealingKey(state);
  await state.refreshTrust();
  await state.refreshIdentity();
  // Before anything is signed: the clock may be wrong.
  await state.reports.look(state);
  const app = await createServer(state);
  registerOperations(app, state);
  await listen(app, settings.port);
  // By this an adopted process is told from another that was given the same pid.
  await writeFileAtomic(`${layout.run}/admin.json`, JSON.stringify(await markOf(process.pid)), {
    mode: 0o600,
  });
  log.info({ port: settings.port, epoch: state.trust.epoch }, "the Admin Node Manager serves");
  const ending = new AbortController();
  const stop = (): void => ending.abort();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  state.onChange = () => {
    reloadListener(app.server, state, { verify: "management" });
    state.epochs.destroyWhere((peer) => isDenied(state, peer));
  };
  await Promise.all([runJobs(state, ending.signal), dialHosts(state, app.server, ending.signal)]);
  await app.close();
  state.peers.close();
  await env.close();
  lock.release();
}

async function listen(app: Awaited<ReturnType<typeof createServer>>, port: number): Promise<void> {
  try {
    await app.listen({ port, host: "0.0.0.0" });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EADDRINUSE") throw cause;
    throw new DomainError(
      "port-in-use",
      `port ${port} is taken by another process: stop that, or choose another port`,
      { cause },
    );
  }
}

const homeAt = process.argv.indexOf("--home");
const home = homeAt < 0 ? undefined : process.argv[homeAt + 1];
try {
  if (home === undefined)
    throw new DomainError("usage", "the Admin Node Manager needs --home FOLDER");
  await run(home);
} catch (error) {
  // For who reads the log: with the code, which the line for people does not have.
  const code = isDomainError(error) ? error.code : "internal";
  const msg = isDomainError(error) ? error.message : describeError(error);
  process.stdout.write(
    `${JSON.stringify({ level: 60, time: Date.now(), name: "admin-node-manager", code, msg })}\n`,
  );
  process.stderr.write(`${msg}\n`);
  process.exit(isDomainError(error) ? errorCodes[error.code].exit : errorCodes.internal.exit);
}
