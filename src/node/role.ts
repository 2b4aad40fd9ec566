import { existsSync } from "node:fs";
import { join } from "node:path";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError, DomainError } from "../kit/index.ts";
import type { AdminObservation } from "../domain/index.ts";
import type { DesiredState } from "../contract/index.ts";
import { oid, parseCertificatesPem } from "../pki/index.ts";
import { generateKeyPair } from "../keys/index.ts";
import { readMark } from "../transport/index.ts";
import type { AdminLink } from "./admin-link.ts";
import {
  forgetRemoved,
  hasAdminSecrets,
  installAdminSecrets,
  readDatabaseLogin,
  removeAdminSecrets,
} from "./admin-secrets.ts";
import type { InstanceKeeper } from "./instances.ts";
import { NodeListener } from "./listener.ts";
import type { NodeState } from "./node-state.ts";
import { ownProgram } from "./processes.ts";
import { Supervisor } from "./supervisor.ts";

/** Another program: started, never imported. */
const adminProgram = join(import.meta.dirname, "..", "admin", "main.js");

const restartPollMs = 50;
const restartMsMax = 15_000;

type HostRoleWish = NonNullable<DesiredState["role"]>;

/**
 * What this host is: a plain Node Manager, which listens on the port of the host, or an Admin Node
 * Manager, whose process has that port. One becomes the other while everything else goes on, a step
 * at each look, and from wherever a crash left it.
 */
export class HostRole {
  readonly #state: NodeState;
  readonly #link: Pick<AdminLink, "call">;
  readonly #admin: InstanceKeeper & Pick<Supervisor, "endUnlessWorking">;
  #listener: NodeListener | null = null;
  #problem: string | null = null;

  constructor(
    state: NodeState,
    link: Pick<AdminLink, "call">,
    admin: InstanceKeeper & Pick<Supervisor, "endUnlessWorking"> = adminSupervisor(state),
  ) {
    this.#state = state;
    this.#link = link;
    this.#admin = admin;
  }

  /** Takes the port of a plain Node Manager. Throws `port-in-use`. */
  async start(): Promise<void> {
    if (!this.#state.settings.isAdmin) await this.#listen();
  }

  /**
   * Has the Admin Node Manager of this host, if it runs, start again with what opens the keys now;
   * returns when it serves, or after a while.
   */
  async restartAdmin(): Promise<void> {
    await this.#admin.isRunning();
    const { pid } = this.#admin;
    if (pid === null) return;
    while ((await this.#admin.isRunning()) && this.#admin.pid === pid) {
      await this.#admin.keepStopped(performance.now());
      await sleep(restartPollMs);
    }
    const endMs = performance.now() + restartMsMax;
    // It leaves its mark when it serves.
    while (performance.now() < endMs) {
      this.#state.wake();
      const mark = await readMark(`${this.#state.layout.run}/admin.json`);
      if (mark !== null && mark.pid !== pid) return;
      await sleep(restartPollMs);
    }
  }

  /** Keeps the host what it is, or brings it a step nearer to what it is to be. True: at once again. */
  async converge(): Promise<boolean> {
    const { settings, desired, isConnected } = this.#state;
    const { role } = desired ?? {};
    try {
      if (role !== undefined) await this.#follow(role);
      if (isConnected && role !== undefined && role.isAdmin !== settings.isAdmin) {
        const isDone = role.isAdmin ? await this.#promote() : await this.#demote(role.keepKeysOf);
        // A process that ends is soon gone; for a certificate others are asked.
        if (!isDone) return !role.isAdmin && !this.#presentsAdmin;
        this.#state.log.info({ isAdmin: role.isAdmin }, "the role of this host has changed");
      }
      if (this.#state.settings.isAdmin) await this.#admin.keepRunning(performance.now());
      else if (this.#listener === null) await this.#listen();
      this.#problem = null;
    } catch (error) {
      this.#problem = describeError(error);
      this.#state.log.warn({ error: this.#problem }, "the role of this host could not be kept");
    }
    return false;
  }

  /** Takes the name and the port that the topology has for it; the port before is kept where that is taken. */
  async #follow({ name, port }: Pick<HostRoleWish, "name" | "port">): Promise<void> {
    const { settings } = this.#state;
    if (name !== undefined && name !== settings.name) await this.#state.changeSettings({ name });
    if (port === undefined || port === settings.port) return;
    if (settings.isAdmin) {
      await requireFreePort(port);
      await this.#admin.keepStopped(performance.now());
      if (await this.#admin.isRunning()) return;
      await this.#state.changeSettings({ port });
    } else {
      const before = this.#listener;
      await this.#listen(port);
      before?.close();
      await this.#state.changeSettings({ port });
    }
    this.#state.log.info({ port }, "listens on another port");
  }

  /** First what its process needs, then the certificate, which others convey; then the port. */
  async #promote(): Promise<boolean> {
    const { layout } = this.#state;
    if (!hasAdminSecrets(layout)) {
      const sealing = await generateKeyPair("ecdsa-p256");
      const sealingKey = Buffer.from(sealing.spki).toString("base64");
      const secrets = await this.#link.call("takeAdminSecrets", { body: { sealingKey } });
      await installAdminSecrets(layout, secrets, sealing, await readDatabaseLogin(layout));
    }
    if (!this.#presentsAdmin) return false;
    this.#listener?.close();
    this.#listener = null;
    await this.#state.changeSettings({ isAdmin: true });
    return true;
  }

  /** Its process serves until the other certificate is presented; the settings say last that all is gone. */
  async #demote(keepKeysOf: Parameters<typeof removeAdminSecrets>[1]): Promise<boolean> {
    if (this.#presentsAdmin) {
      await this.#admin.keepRunning(performance.now());
      return false;
    }
    await this.#admin.keepStopped(performance.now());
    if (await this.#admin.isRunning()) return false;
    const files = await removeAdminSecrets(this.#state.layout, keepKeysOf);
    if (files.length > 0) await this.#link.call("reportRemovedKeys", { body: { files } });
    await forgetRemoved(this.#state.layout);
    await this.#state.changeSettings({ isAdmin: false });
    return true;
  }

  /** True if the certificate that is presented states an Admin Node Manager. */
  get #presentsAdmin(): boolean {
    const [leaf] = parseCertificatesPem(this.#state.identity.certificatePem);
    return leaf?.extensions.extendedKeyUsage?.includes(oid.adminNodeManager) === true;
  }

  async #listen(port = this.#state.settings.port): Promise<void> {
    const listener = new NodeListener(this.#state);
    await listener.listen(port);
    this.#listener = listener;
  }

  /** What is reported of it. */
  observation(): AdminObservation {
    return {
      isAdmin: this.#state.settings.isAdmin,
      hasDatabaseLogin: existsSync(this.#state.layout.databaseSettings),
      problem: this.#problem ?? this.#admin.lastError,
    };
  }

  /** Epoch of the oldest connection that this process serves. */
  get oldestEpoch(): number | null {
    return this.#listener?.epochs.oldest() ?? null;
  }

  /** Shows the present identity and trust to new connections; call it every second or so. */
  refresh(): void {
    this.#listener?.refresh();
  }

  close(): void {
    this.#listener?.close();
  }

  /** Ends an Admin Node Manager that has not come to work yet: a later Node Manager would not find it. */
  endUnlessWorking(): Promise<void> {
    return this.#admin.endUnlessWorking();
  }
}

function adminSupervisor(state: NodeState): Supervisor {
  const { layout } = state;
  const program = ownProgram({
    name: "admin-node-manager",
    path: adminProgram,
    args: ["--home", layout.home],
    logFile: `${layout.logs}/admin.log`,
    runFile: `${layout.run}/admin.json`,
    passphrases: () => state.keys.passphrases,
  });
  return new Supervisor(state, program);
}

/** Throws `port-in-use` where somebody listens, before anything is given up for the port. */
async function requireFreePort(port: number): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, "0.0.0.0", resolve);
    });
  } catch (cause) {
    throw new DomainError(
      "port-in-use",
      `port ${port} is taken by another process: stop that, or choose another with \`managedomain --edit_host --port\``,
      { cause },
    );
  } finally {
    server.close();
  }
}
