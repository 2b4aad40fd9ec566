import { createPrivateKey, sign } from "node:crypto";
import { describeError, DomainError, isDomainError } from "../kit/index.ts";
import { returnProofText, type KnownProcess } from "../domain/index.ts";
import type { RouteName, RouteResponse } from "../contract/index.ts";
import { generateKeyPair, keyPairOf, requestForKey } from "../keys/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  mutualTls,
  type ApiInput,
  type ServerAddress,
} from "../transport/index.ts";
import { installIssued, presentAndPrune } from "./credential-folder.ts";
import type { Instances } from "./instances.ts";
import type { NodeState } from "./node-state.ts";

/** Refusals after which a proof of the last key may let the host back in. */
const returnableRefusals = new Set(["chain", "expired", "other-key"]);

/**
 * The one connection to a live Admin Node Manager. It is opened anew whenever the identity or the
 * trust that it rests on changes.
 */
export class AdminLink {
  readonly #state: NodeState;
  readonly #instances: Pick<Instances, "reloadAll">;
  #open: { caller: ApiCaller; admin: KnownProcess; serial: string; epoch: number } | null = null;

  constructor(state: NodeState, instances: Pick<Instances, "reloadAll">) {
    this.#state = state;
    this.#instances = instances;
  }

  /** The Admin Node Manager that is called now. */
  get admin(): KnownProcess {
    return this.#caller().admin;
  }

  /** Calls a route as this host's Node Manager. */
  async call<Name extends RouteName>(
    name: Name,
    input: ApiInput<Name>,
  ): Promise<RouteResponse<Name>> {
    return callApi(this.#caller().caller, name, input);
  }

  #caller(): { caller: ApiCaller; admin: KnownProcess } {
    const { identity, trust, self } = this.#state;
    if (
      this.#open !== null &&
      this.#open.serial === identity.serial &&
      this.#open.epoch === trust.epoch
    )
      return this.#open;
    this.#open?.caller.close();
    const admin = this.#chooseAdmin();
    const tls = mutualTls({ identity, trust, self, target: admin, nowMs: () => Date.now() });
    const caller = new ApiCaller(
      { address: addressOf(this.#state, admin), port: admin.port, prefix: apiPrefix },
      tls,
    );
    this.#open = { caller, admin, serial: identity.serial, epoch: trust.epoch };
    return this.#open;
  }

  #chooseAdmin(): KnownProcess {
    const { admins } = this.#state.trust.document;
    const [admin] = admins;
    if (admin === undefined)
      throw new DomainError("unreachable", "the trust document names no Admin Node Manager");
    return admins.find((candidate) => candidate.hostId === this.#state.hostId) ?? admin;
  }

  /**
   * After a failed call: reads the trust chain that may explain it, and re-enrols if the Admin Node
   * Manager would not take this host's certificate any more. True if a retry may do better at once.
   */
  async recover(failure: unknown): Promise<boolean> {
    const refusal = isDomainError(failure, "forbidden") ? failure.context["refusal"] : undefined;
    if (typeof refusal === "string" && returnableRefusals.has(refusal)) {
      await this.#return();
      return true;
    }
    if (isDomainError(failure, "untrusted-server") || isDomainError(failure, "unreachable"))
      return this.#refreshTrust();
    return false;
  }

  async #refreshTrust(): Promise<boolean> {
    const { trust, settings } = this.#state;
    for (const server of [
      ...trust.document.admins.map((admin) => ({
        address: addressOf(this.#state, admin),
        port: admin.port,
      })),
      { address: settings.adminAddress, port: settings.adminPort },
    ]) {
      try {
        if (await this.#state.acceptTrust(await fetchTrustLinks(server, trust.epoch))) return true;
      } catch (error) {
        this.#state.log.debug({ error: describeError(error) }, "the trust chain could not be read");
      }
    }
    return false;
  }

  /** Re-enrols on proof of the last key. */
  async #return(): Promise<void> {
    await this.#refreshTrust();
    const { trust, hostId, layout, log, identity } = this.#state;
    const admin = this.#chooseAdmin();
    const server: ServerAddress = { address: addressOf(this.#state, admin), port: admin.port };
    const caller = new ApiCaller(
      { ...server, prefix: apiPrefix },
      adminServerTls({ trust, caller: "returning-host", nowMs: () => Date.now() }),
    );
    try {
      const { nonce } = await callApi(caller, "getReturnNonce", { body: { hostId } });
      const { privateKey } = await generateKeyPair("ecdsa-p256");
      const requestPem = await requestForKey(privateKey, `CN=${this.#state.processId}`);
      const lastKey = createPrivateKey(identity.keyPem);
      const proof = sign(
        "sha256",
        Buffer.from(returnProofText({ hostId, nonce, requestPem })),
        lastKey,
      );
      const admission = await callApi(caller, "returnHost", {
        body: {
          hostId,
          nonce,
          requestPem,
          lastKey: Buffer.from(keyPairOf(lastKey).spki).toString("base64"),
          proof: proof.toString("base64"),
        },
      });
      await installIssued(layout.nodeCredential, privateKey, admission.certificatePem, admission);
      await this.#state.acceptTrust(admission.trust, admission.hostDocument);
      // Who does not take it now is told by a signal later; without the new key nobody comes back.
      await this.#instances
        .reloadAll()
        .catch((error: unknown) =>
          log.debug({ error: describeError(error) }, "nothing was loaded"),
        );
      await presentAndPrune(layout.nodeCredential, admission.sequence);
      await this.#state.loadIdentity();
      log.info(
        { serial: this.#state.identity.serial },
        "the host came back with a new certificate",
      );
    } finally {
      caller.close();
    }
  }

  close(): void {
    this.#open?.caller.close();
    this.#open = null;
  }
}

/** The Admin Node Manager on this very host is called over loopback: its address may lead outside. */
function addressOf(state: NodeState, admin: KnownProcess): string {
  return admin.hostId === state.hostId ? "127.0.0.1" : admin.address;
}
