import {
  describeError,
  DomainError,
  isDomainError,
  type ErrorCode,
  type HostId,
  type RolloutId,
} from "../kit/index.ts";
import { holdersOf, type KnownProcess } from "../domain/index.ts";
import {
  bytesEqual,
  certificateFingerprint,
  parseCertificatesPem,
  parseRequestPem,
  spkiFingerprint,
} from "../pki/index.ts";
import type { ClockReading, IssuedLeaf, Leadership, LeafJob } from "../control/index.ts";
import type { RouteBody, RouteResponse } from "../contract/index.ts";
import { nodeCryptoPort } from "../keys/index.ts";
import { ApiCaller, apiPrefix, callApi, mutualTls } from "../transport/index.ts";
import type { AdminState } from "./admin-state.ts";

/** A holder that does not answer in this time is passed over: who asked waits for the next one. */
const answerMsMax = 1500;
/** A step that makes a CA for a large domain looks at all of it, twice. */
const stepMsMax = 10_000;

/** After these the next holder may do better; any other error is the answer. */
const passedOver: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "unreachable",
  "timeout",
  "untrusted-server",
  "authority-unavailable",
  "store-unavailable",
  "rate-limited",
  "internal",
  "forbidden",
  "unauthenticated",
]);

interface PeerTopology {
  readonly hostId: HostId;
  readonly held: RouteResponse<"getHeldTopology"> | null;
  /** Why it does not answer. */
  readonly problem: string | null;
}

/** What another Admin Node Manager said of itself, and of its clock; null: it did not answer. */
interface PeerAnswer {
  readonly hostId: HostId;
  readonly said: (RouteResponse<"getAdminState"> & { readonly clock: ClockReading }) | null;
}

interface OpenPeer {
  readonly caller: ApiCaller;
  /** The identity and the trust that the connection rests on. */
  readonly basis: string;
}

/** The other Admin Node Managers, as far as this one has something for them to do. */
export class AdminPeers {
  readonly #state: AdminState;
  readonly #open = new Map<string, OpenPeer>();
  /** Who answered last is asked first. */
  #last: string | null = null;

  constructor(state: AdminState) {
    this.#state = state;
  }

  /** Has a leaf signed by a holder of the key; throws `why` this process cannot, if none of them can. */
  async issueLeaf(job: LeafJob, why: DomainError): Promise<IssuedLeaf> {
    const { hostId, credentialId, authorityId, requestPem, isProbe } = job;
    const body = { hostId, credentialId, authorityId, requestPem, isProbe };
    const holders = await this.#state.env.store.read(async (view) => {
      const authority = await view.authorities.get(authorityId);
      return authority === undefined ? [] : holdersOf(authority, await view.topology.hosts());
    });
    const ids = new Set(holders.map(({ id }) => id));
    return this.#ask(
      this.#others().filter((peer) => ids.has(peer.hostId)),
      why,
      async (peer) => {
        const input = { body, timeoutMs: answerMsMax };
        const { certificatePem } = await callApi(this.#caller(peer), "signLeaf", input);
        return readLeaf(job, certificatePem, peer);
      },
    );
  }

  /** Has the next step of a rollout made by one that can, under the token of this leader. */
  async advance(id: RolloutId, leadership: Leadership, why: DomainError): Promise<void> {
    const { lease, fencingToken } = leadership;
    await this.#ask(this.#others(), why, (peer) =>
      callApi(this.#caller(peer), "advanceForLeader", {
        params: { id },
        body: { lease, fencingToken },
        timeoutMs: stepMsMax,
      }),
    );
  }

  /** Has another one sign a challenge with the key of an authority; base64. Throws `unreachable`. */
  async proveKey(hostId: HostId, body: RouteBody<"proveKey">): Promise<string> {
    const peer = this.#others().find((other) => other.hostId === hostId);
    if (peer === undefined)
      throw new DomainError(
        "unreachable",
        `the trust document names no Admin Node Manager of ${hostId}`,
      );
    const input = { body, timeoutMs: answerMsMax };
    return (await callApi(this.#caller(peer), "proveKey", input)).signature;
  }

  /** The topology that each of the others holds. */
  topologies(): Promise<readonly PeerTopology[]> {
    return Promise.all(
      this.#others().map(async (peer) => {
        const { hostId } = peer;
        const input = { timeoutMs: answerMsMax };
        try {
          const held = await callApi(this.#caller(peer), "getHeldTopology", input);
          return { hostId, held, problem: null };
        } catch (error) {
          return { hostId, held: null, problem: describeError(error) };
        }
      }),
    );
  }

  /** Asks every other Admin Node Manager how it is, all at once. */
  states(): Promise<PeerAnswer[]> {
    return Promise.all(
      this.#others().map(async (peer) => ({
        hostId: peer.hostId,
        said: await this.#reportOf(peer),
      })),
    );
  }

  async #reportOf(peer: KnownProcess): Promise<PeerAnswer["said"]> {
    const { clock } = this.#state.env;
    const askedAtMs = clock.monotonicMs();
    const input = { timeoutMs: answerMsMax };
    const said = await callApi(this.#caller(peer), "getAdminState", input).catch(() => null);
    const answeredAtMs = clock.monotonicMs();
    return said && { ...said, clock: { saidMs: said.nowMs, askedAtMs, answeredAtMs } };
  }

  /** The answer of the first that gives one; `why` if none does. */
  async #ask<T>(
    peers: readonly KnownProcess[],
    why: DomainError,
    call: (peer: KnownProcess) => Promise<T>,
  ): Promise<T> {
    for (const peer of peers) {
      try {
        const answer = await call(peer);
        this.#last = peer.id;
        return answer;
      } catch (error) {
        if (!isDomainError(error) || !passedOver.has(error.code)) throw error;
        const { code, message } = error;
        this.#state.log.warn({ peer: peer.id, code, reason: message }, "could not do it instead");
      }
    }
    throw why;
  }

  #others(): KnownProcess[] {
    return this.#state.trust.document.admins
      .filter(({ hostId }) => hostId !== this.#state.hostId)
      .toSorted((a, b) => Number(b.id === this.#last) - Number(a.id === this.#last));
  }

  #caller(target: KnownProcess): ApiCaller {
    const { identity, trust, hostId, env } = this.#state;
    const basis = `${identity.serial} ${trust.epoch}`;
    const open = this.#open.get(target.id);
    if (open?.basis === basis) return open.caller;
    open?.caller.close();
    const { address, port } = target;
    const caller = new ApiCaller(
      { address, port, prefix: apiPrefix },
      mutualTls({
        identity,
        trust,
        target,
        self: { role: "anm", hostId },
        nowMs: () => env.clock.nowMs(),
      }),
    );
    this.#open.set(target.id, { caller, basis });
    return caller;
  }

  close(): void {
    for (const { caller } of this.#open.values()) caller.close();
    this.#open.clear();
  }
}

/** What a holder signed; it has to be for the key of the request. */
function readLeaf(job: LeafJob, certificatePem: string, peer: KnownProcess): IssuedLeaf {
  const [leaf] = parseCertificatesPem(certificatePem);
  const { spki } = parseRequestPem(job.requestPem);
  if (leaf === undefined || !bytesEqual(leaf.spki, spki))
    throw new DomainError(
      "certificate-rejected",
      `${peer.id} signed another key than that of the request`,
    );
  return {
    der: leaf.der,
    serial: leaf.serialHex,
    fingerprint: certificateFingerprint(leaf, nodeCryptoPort),
    spki: spkiFingerprint(spki, nodeCryptoPort),
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
  };
}
