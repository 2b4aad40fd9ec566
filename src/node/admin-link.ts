import { createPrivateKey, sign, type KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { describeError, DomainError, isDomainError, type ProcessId } from "../kit/index.ts";
import { returnProofText, type Dial, type KnownProcess } from "../domain/index.ts";
import type { RouteName, RouteResponse } from "../contract/index.ts";
import {
  dropPendingKey,
  generateKeyPair,
  keyPairOf,
  makePendingKey,
  readPendingKey,
  requestForKey,
} from "../keys/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchTrustLinks,
  mayDoBetterElsewhere,
  mutualTls,
  type ApiInput,
} from "../transport/index.ts";
import { AdminChoice } from "./admin-choice.ts";
import { installIssued, presentAndPrune } from "./credential-folder.ts";
import type { Instances } from "./instances.ts";
import type { NodeState } from "./node-state.ts";
import { presentTrust } from "./present-trust.ts";

/** Refusals after which a proof of the last key may let the host back in. */
const returnableRefusals = new Set(["chain", "expired", "other-key"]);

/** An Admin Node Manager that is not the one it was, or that has lost its store for good. */
const explainedByTrust = ["untrusted-server", "unreachable", "store-unavailable"] as const;

type Admission = Extract<RouteResponse<"returnHost">, { certificatePem: string }>;

interface OpenLink {
  readonly caller: ApiCaller;
  readonly admin: KnownProcess;
  readonly serial: string;
  readonly epoch: number;
  readonly dial: Dial;
}

/** Where there is another to go to, an Admin Node Manager that answers later than this is left. */
const answerMsMax = 5_000;
/** Where there is none. */
const onlyAnswerMsMax = 30_000;
/** Who only waits for news goes elsewhere within this time: all hosts of a server that dies wait so. */
const spreadMsMax = 500;

/**
 * The one connection to a live Admin Node Manager. It is opened anew whenever the identity or the
 * trust that it rests on changes, and to another one as soon as this one fails.
 */
export class AdminLink {
  readonly #state: NodeState;
  readonly #instances: Pick<Instances, "reloadAll">;
  readonly #choice: AdminChoice;
  readonly #answerMsMax: number;
  readonly #spreadMsMax: number;
  #open: OpenLink | null = null;
  #isClosed = false;

  constructor(
    state: NodeState,
    instances: Pick<Instances, "reloadAll">,
    of: {
      readonly choice?: AdminChoice;
      readonly answerMsMax?: number;
      readonly spreadMsMax?: number;
    } = {},
  ) {
    this.#state = state;
    this.#instances = instances;
    this.#choice = of.choice ?? new AdminChoice(state.hostId);
    this.#answerMsMax = of.answerMsMax ?? answerMsMax;
    this.#spreadMsMax = of.spreadMsMax ?? spreadMsMax;
  }

  get #admins(): readonly KnownProcess[] {
    return this.#state.trust.document.admins;
  }

  /**
   * Calls a route as this host's Node Manager, at one Admin Node Manager after the other until one
   * serves. `waitMs` is how long the answer may be held back. Throws what the last one failed with.
   */
  async call<Name extends RouteName>(
    name: Name,
    input: ApiInput<Name>,
    waitMs = 0,
  ): Promise<RouteResponse<Name>> {
    this.#lookForPreferred();
    const tried = new Set<ProcessId>();
    let admin = this.#chooseAdmin();
    for (;;) {
      const link = this.#linkTo(admin);
      const timeoutMs = waitMs + (this.#admins.length > 1 ? this.#answerMsMax : onlyAnswerMsMax);
      try {
        const answer = await callApi(link.caller, name, { timeoutMs, ...input });
        this.#noteAnswer(link.admin);
        return answer;
      } catch (error) {
        if (this.#isClosed || !mayDoBetterElsewhere(error)) throw error;
        if (link !== this.#open) {
          // Another call has closed this connection meanwhile, and knows why: the new one is used.
          admin = this.#chooseAdmin();
          continue;
        }
        this.#closeOpen();
        this.#passOver(admin, tried);
        if (waitMs > 0) await sleep(Math.random() * this.#spreadMsMax);
        admin = this.#choice.choose(this.#admins, tried) ?? thrown(error);
        this.#state.log.warn(
          { admin: link.admin.id, error: describeError(error), next: admin.id },
          "an Admin Node Manager does not serve: the next one is called",
        );
      }
    }
  }

  #passOver({ id }: KnownProcess, tried: Set<ProcessId>): void {
    this.#choice.failed(id);
    tried.add(id);
  }

  #noteAnswer(admin: KnownProcess): void {
    const state = this.#state;
    this.#choice.answered(admin.id);
    if (state.admin?.id === admin.id) return;
    state.admin = admin;
    state.log.info(
      { admin: admin.id, address: admin.address, port: admin.port },
      "an Admin Node Manager answers",
    );
  }

  #linkTo(admin: KnownProcess): OpenLink {
    const { identity, trust, self, reach } = this.#state;
    const isAsOpened =
      this.#open?.admin.id === admin.id &&
      this.#open.serial === identity.serial &&
      this.#open.epoch === trust.epoch &&
      this.#open.dial === reach.dial;
    if (this.#open !== null && isAsOpened) return this.#open;
    this.#closeOpen();
    const tls = mutualTls({ identity, trust, self, target: admin, nowMs: () => Date.now() });
    const caller = new ApiCaller({ ...reach.serverOf(admin), prefix: apiPrefix }, tls);
    const { dial } = reach;
    this.#open = { caller, admin, serial: identity.serial, epoch: trust.epoch, dial };
    return this.#open;
  }

  #chooseAdmin(): KnownProcess {
    const admin = this.#choice.choose(this.#admins);
    if (admin === null)
      throw new DomainError("unreachable", "the trust document names no Admin Node Manager");
    return admin;
  }

  /** Goes back to an Admin Node Manager that this host prefers, once it serves again. */
  #lookForPreferred(): void {
    const preferred = this.#choice.dueReturn(this.#admins);
    if (preferred.length === 0) return;
    void (async () => {
      for (const admin of preferred) {
        try {
          const server = this.#state.reach.serverOf(admin);
          await fetchTrustLinks(server, this.#state.trust.epoch, this.#answerMsMax);
          return this.#choice.moveTo(admin.id);
        } catch (error) {
          this.#state.log.debug({ error: describeError(error) }, "a preferred one is not back");
        }
      }
    })();
  }

  /**
   * After a failed call: reads the trust chain that may explain it, and re-enrols if the Admin Node
   * Manager would not take this host's certificate any more. True if a retry may do better at once.
   */
  async recover(failure: unknown): Promise<boolean> {
    const refusal = isDomainError(failure, "forbidden") ? failure.context["refusal"] : undefined;
    // A domain that was restored from a backup may not know this host, or its newest key.
    if (typeof refusal === "string" && (await this.#present())) return true;
    if (typeof refusal === "string" && returnableRefusals.has(refusal)) {
      await this.#return();
      return true;
    }
    if (explainedByTrust.some((code) => isDomainError(failure, code))) return this.#refreshTrust();
    return false;
  }

  async #refreshTrust(): Promise<boolean> {
    const { trust, settings, reach } = this.#state;
    const joinedAt = { address: settings.adminAddress, port: settings.adminPort };
    for (const server of [
      ...trust.document.admins.map((admin) => reach.serverOf(admin)),
      ...(reach.dial === "nm" ? [joinedAt] : []),
    ]) {
      try {
        const links = await fetchTrustLinks(server, trust.epoch, this.#answerMsMax);
        if (await this.#state.acceptTrust(links)) return true;
        await presentTrust(this.#state, server, this.#answerMsMax);
      } catch (error) {
        this.#state.log.debug({ error: describeError(error) }, "the trust chain could not be read");
      }
    }
    return false;
  }

  /** True if a restored domain has learned something from this host. */
  async #present(): Promise<boolean> {
    const { trust, reach, log } = this.#state;
    for (const admin of trust.document.admins)
      try {
        if (await presentTrust(this.#state, reach.serverOf(admin), this.#answerMsMax)) return true;
      } catch (error) {
        log.debug({ admin: admin.id, error: describeError(error) }, "nothing could be shown there");
      }
    return false;
  }

  /** Re-enrols on proof of the last key, with one Admin Node Manager after the other. */
  async #return(): Promise<void> {
    await this.#refreshTrust();
    // What this host still has open must not look like another that uses its identity.
    this.#closeOpen();
    const tried = new Set<ProcessId>();
    for (let admin = this.#chooseAdmin(); ;) {
      try {
        return await this.#returnAt(admin);
      } catch (error) {
        if (!mayDoBetterElsewhere(error)) throw error;
        this.#passOver(admin, tried);
        admin = this.#choice.choose(this.#admins, tried) ?? thrown(error);
      }
    }
  }

  async #returnAt(admin: KnownProcess): Promise<void> {
    const { trust, layout, log, reach, keys } = this.#state;
    const caller = new ApiCaller(
      { ...reach.serverOf(admin), prefix: apiPrefix },
      adminServerTls({ trust, caller: "returning-host", nowMs: () => Date.now() }),
    );
    try {
      const { privateKey, admission } = await this.#askToReturn(caller);
      await installIssued(
        layout.nodeCredential,
        { privateKey, keys },
        admission.certificatePem,
        admission,
      );
      await this.#state.acceptTrust(admission.trust, admission.hostDocument);
      // Who does not take it now is told by a signal later; without the new key nobody comes back.
      await this.#instances
        .reloadAll()
        .catch((error: unknown) =>
          log.debug({ error: describeError(error) }, "nothing was loaded"),
        );
      await presentAndPrune(layout.nodeCredential, admission.sequence);
      await dropPendingKey(this.#pendingFolder);
      await this.#state.loadIdentity();
      log.info(
        { serial: this.#state.identity.serial },
        "the host came back with a new certificate",
      );
    } finally {
      caller.close();
    }
  }

  /**
   * Asks for a new certificate, on proof of the last key; where it is signed elsewhere, by the request
   * that waits for it. Throws `awaiting-signature` until that was brought.
   */
  async #askToReturn(
    caller: ApiCaller,
  ): Promise<{ readonly privateKey: KeyObject; readonly admission: Admission }> {
    const { keys } = this.#state.pendingKeys;
    let kept = await readPendingKey(this.#pendingFolder, keys);
    for (;;) {
      const { privateKey } = kept ?? (await generateKeyPair("ecdsa-p256"));
      const name = `CN=${this.#state.processId}`;
      const requestPem = kept?.requestPem ?? (await requestForKey(privateKey, name));
      const admission = await this.#proveAndAsk(caller, requestPem);
      if (!("awaits" in admission)) return { privateKey, admission };
      if (kept !== null && kept.spki === admission.awaits.requestedSpki)
        throw new DomainError(
          "awaiting-signature",
          "the certificate with which this host comes back is signed elsewhere and was not brought yet",
        );
      kept = await makePendingKey(this.#pendingFolder, admission.awaits, keys);
    }
  }

  async #proveAndAsk(caller: ApiCaller, requestPem: string): Promise<RouteResponse<"returnHost">> {
    const { hostId, identity, bootId } = this.#state;
    const { nonce } = await callApi(caller, "getReturnNonce", { body: { hostId } });
    const lastKey = createPrivateKey(identity.keyPem);
    const text = returnProofText({ hostId, nonce, requestPem });
    return callApi(caller, "returnHost", {
      body: {
        hostId,
        nonce,
        requestPem,
        lastKey: Buffer.from(keyPairOf(lastKey).spki).toString("base64"),
        proof: sign("sha256", Buffer.from(text), lastKey).toString("base64"),
        bootId,
      },
    });
  }

  get #pendingFolder(): string {
    return `${this.#state.layout.temporaryKeys}/${this.#state.processId}`;
  }

  #closeOpen(): void {
    this.#open?.caller.close();
    this.#open = null;
  }

  close(): void {
    this.#isClosed = true;
    this.#closeOpen();
  }
}

function thrown(error: unknown): never {
  throw error;
}
