import { pino, type Logger } from "pino";
import { describeError, DomainError, errorCodes, isDomainError } from "../kit/index.ts";
import { writeFileAtomic } from "../keys/index.ts";
import type { NodeSettings } from "../domain/index.ts";
import { markOf } from "../transport/index.ts";
import { AdminLink } from "./admin-link.ts";
import { openControlSocket } from "./control-socket.ts";
import { InstanceLinks } from "./instance-link.ts";
import { Instances } from "./instances.ts";
import { NodeListener } from "./listener.ts";
import { openNodeState, type NodeState } from "./node-state.ts";
import { reconcile } from "./reconcile.ts";
import { followDesiredState } from "./sync.ts";

const refreshEveryMs = 500;

function createLogger(settings: NodeSettings): Logger {
  const level = process.env["GATEHOUSE_LOG_LEVEL"] ?? "info";
  return pino({
    name: "node-manager",
    level,
    base: { host: settings.hostId, pid: process.pid },
    redact: {
      paths: ["password", "token", "proof", "*.password", "*.token", "*.proof"],
      censor: "[redacted]",
    },
  });
}

async function run(home: string): Promise<void> {
  const state = await openNodeState(home, createLogger);
  const link = new AdminLink(state);
  const links = new InstanceLinks(state);
  const instances = new Instances(state, links);
  const ending = new AbortController();
  const stop = (): void => {
    ending.abort();
    state.wake();
  };
  const socket = await openControlSocket(state, instances, stop);
  await writeFileAtomic(
    `${state.layout.run}/node.json`,
    JSON.stringify(await markOf(process.pid)),
    { mode: 0o600 },
  );
  // On an Admin Node Manager's host the port is that process's.
  const listener = state.settings.isAdmin ? null : new NodeListener(state);
  await listener?.listen();
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  state.log.info(
    { epoch: state.trust.epoch, serial: state.identity.serial },
    "the Node Manager runs",
  );
  const oldestEpoch = (): number | null => listener?.epochs.oldest() ?? null;
  await Promise.all([
    followDesiredState(state, link, ending.signal),
    reconcile(state, { link, links, instances, oldestEpoch }, ending.signal),
    refreshListener(state, listener, ending.signal),
    new Promise<void>((resolve) =>
      ending.signal.addEventListener("abort", () => {
        link.close();
        resolve();
      }),
    ),
  ]);
  socket.close();
  listener?.close();
}

async function refreshListener(
  state: NodeState,
  listener: NodeListener | null,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      listener?.refresh();
    } catch (error) {
      state.log.warn({ error: describeError(error) }, "the listener could not be refreshed");
    }
    await new Promise((resolve) => setTimeout(resolve, refreshEveryMs));
  }
}

const homeAt = process.argv.indexOf("--home");
const home = homeAt < 0 ? undefined : process.argv[homeAt + 1];
try {
  if (home === undefined) throw new DomainError("usage", "the Node Manager needs --home FOLDER");
  await run(home);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${describeError(error)}\n`);
  process.exit(isDomainError(error) ? errorCodes[error.code].exit : errorCodes.internal.exit);
}
