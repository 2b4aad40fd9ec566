import type { Logger } from "pino";
import { describeError } from "../kit/index.ts";
import type { NodeSettings } from "../domain/index.ts";
import { writeFileAtomic, type Passphrases } from "../keys/index.ts";
import { markOf } from "../transport/index.ts";
import { AdminLink } from "./admin-link.ts";
import { openControlSocket } from "./control-socket.ts";
import { InstanceLinks } from "./instance-link.ts";
import { Instances, type KeeperOf } from "./instances.ts";
import { protectEntityStore } from "./entity-store.ts";
import { LocalIssuing } from "./local-issuing.ts";
import { openNodeState, type NodeState } from "./node-state.ts";
import { Members } from "./members/members.ts";
import { reconcile } from "./reconcile.ts";
import { HostRole } from "./role.ts";
import { followDesiredState } from "./sync.ts";

const refreshEveryMs = 500;

export interface NodeManagerOptions {
  readonly home: string;
  readonly log: (settings: NodeSettings) => Logger;
  /** Of its keys, where its settings do not say where they come from. */
  readonly passphrases?: Passphrases | null;
  /** Who keeps an instance running; absent: a process of its own, supervised. */
  readonly keeperOf?: KeeperOf;
}

/**
 * Runs the Node Manager of a home folder until `ending` is aborted, which it does itself when it
 * is told to stop over its control socket. Throws `home-missing`, `home-locked`, `port-in-use`,
 * `unauthenticated`.
 */
export async function runNodeManager(
  { home, log, keeperOf, passphrases = null }: NodeManagerOptions,
  ending: AbortController,
): Promise<void> {
  const state = await openNodeState(home, log, passphrases);
  const links = new InstanceLinks(state);
  const instances = new Instances(state, links, keeperOf);
  const members = new Members(state);
  const link = new AdminLink(state, instances);
  ending.signal.addEventListener("abort", () => state.wake());
  const role = new HostRole(state, link);
  const issuing = new LocalIssuing(state, instances);
  const parts = { state, instances, role, issuing };
  const socket = await openControlSocket(parts, () => ending.abort());
  await finishProtection(state);
  await writeFileAtomic(
    `${state.layout.run}/node.json`,
    JSON.stringify(await markOf(process.pid)),
    { mode: 0o600 },
  );
  await issuing
    .resume()
    .catch((error: unknown) =>
      state.log.warn({ error: describeError(error) }, "the journal was not followed"),
    );
  await role.start();
  state.log.info(
    { epoch: state.trust.epoch, serial: state.identity.serial },
    "the Node Manager runs",
  );
  await Promise.all([
    followDesiredState(state, link, ending.signal),
    reconcile(state, { link, links, instances, members, issuing, role }, ending.signal),
    refreshListener(state, role, ending.signal),
    aborted(ending.signal).then(() => link.close()),
  ]);
  socket.close();
  role.close();
}

/** Files that were written before the passphrase of now, as after a crash in the middle of a change. */
async function finishProtection(state: NodeState): Promise<void> {
  await protectEntityStore(state).catch((error: unknown) =>
    state.log.warn(
      { error: describeError(error) },
      "not every key of this host could be encrypted by its present passphrase",
    ),
  );
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
}

async function refreshListener(
  state: NodeState,
  role: HostRole,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      role.refresh();
    } catch (error) {
      state.log.warn({ error: describeError(error) }, "the listener could not be refreshed");
    }
    await new Promise((resolve) => setTimeout(resolve, refreshEveryMs));
  }
}
