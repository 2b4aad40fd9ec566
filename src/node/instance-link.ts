import { connect } from "node:tls";
import { DomainError, type ProcessId } from "../kit/index.ts";
import type { AuthorityUsage, KnownProcess } from "../domain/index.ts";
import { parseCertificate } from "../pki/index.ts";
import { instanceRoutes, type InstanceStatus } from "../contract/index.ts";
import { ApiCaller, mutualTls, type CallInput } from "../transport/index.ts";
import type { NodeState } from "./node-state.ts";

const callTimeoutMs = 5_000;

type InstanceRouteName = keyof typeof instanceRoutes;

/** Mutual TLS to the management ports of this host's own instances. */
export class InstanceLinks {
  readonly #state: NodeState;
  readonly #open = new Map<ProcessId, { caller: ApiCaller; basis: string }>();

  constructor(state: NodeState) {
    this.#state = state;
  }

  /** Calls a management route. Throws `not-running` if nothing listens. */
  async call(id: ProcessId, name: InstanceRouteName, input: CallInput = {}): Promise<unknown> {
    return this.#caller(id).call(instanceRoutes[name], { timeoutMs: callTimeoutMs, ...input });
  }

  async status(id: ProcessId): Promise<InstanceStatus> {
    return (await this.call(id, "getStatus")) as InstanceStatus;
  }

  #caller(id: ProcessId): ApiCaller {
    const { identity, trust, self } = this.#state;
    const target = this.target(id);
    const tls = mutualTls({ identity, trust, self, target, nowMs: () => Date.now() });
    const basis = [tls.cert, tls.ca, trust.closeBefore, target.port, target.keys].join();
    const open = this.#open.get(id);
    if (open?.basis === basis) return open.caller;
    open?.caller.close();
    const caller = new ApiCaller({ address: "127.0.0.1", port: target.port, prefix: "" }, tls);
    this.#open.set(id, { caller, basis });
    return caller;
  }

  /** The instance as the signed host document has it. */
  target(id: ProcessId): KnownProcess {
    const target = this.#state.trust.host?.processes.find((process) => process.id === id);
    if (target !== undefined) return target;
    throw new DomainError("not-found", `${id} is not in the host document yet`);
  }

  close(id: ProcessId): void {
    this.#open.get(id)?.caller.close();
    this.#open.delete(id);
  }
}

/**
 * The serial that a listener of this host shows in a full handshake now, lower-case hexadecimal.
 * Its chain must verify under the loaded trust: a certificate that peers refuse is not "seen".
 */
export function seeServedSerial(
  state: NodeState,
  port: number,
  usage: AuthorityUsage,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const { identity, trust } = state;
    const client =
      usage === "management"
        ? {
            key: identity.keyPem,
            cert: identity.certificatePem + trust.chainPem(identity.authorityId),
          }
        : {};
    const socket = connect({
      host: "127.0.0.1",
      port,
      ca: trust.anchorsPem(usage),
      ...client,
      ALPNProtocols: ["http/1.1"],
      timeout: callTimeoutMs,
      // Whose certificate it is, is decided by its serial.
      checkServerIdentity: () => undefined,
    });
    socket.once("secureConnect", () => {
      const { raw } = socket.getPeerCertificate();
      socket.destroy();
      if (raw === undefined)
        reject(new DomainError("certificate-rejected", `port ${port} showed no certificate`));
      else resolve(parseCertificate(new Uint8Array(raw)).serialHex);
    });
    socket.once("timeout", () =>
      socket.destroy(new DomainError("timeout", `port ${port} did not answer in time`)),
    );
    socket.once("error", reject);
  });
}
