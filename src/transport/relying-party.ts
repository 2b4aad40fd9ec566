import { randomBytes } from "node:crypto";
import type { RelyingPartyId } from "../kit/index.ts";
import type { EdgeProof } from "../domain/index.ts";
import { edgeKey } from "../domain/index.ts";
import type { RouteResponse } from "../contract/index.ts";
import { ApiCaller, callApi } from "./api-caller.ts";
import { apiPrefix, fetchTrustLinks, type ServerAddress } from "./first-contact.ts";
import type { LoadedTrust } from "./loaded-trust.ts";
import { probe } from "./probe.ts";
import { sha256Hex } from "./peer.ts";
import { mayDoBetterElsewhere } from "./reach-failure.ts";
import { adminServerTls } from "./server-checks.ts";

type Targets = RouteResponse<"getVerificationTargets">;

interface TargetEdge {
  readonly authorityId: Targets["prove"][number];
  readonly listener: Targets["listeners"][number];
}

const probeTimeoutMs = 5_000;
/** Where there is another, an Admin Node Manager that answers later than this is passed over. */
const answerMsMax = 5_000;
const onlyAnswerMsMax = 30_000;
/** Listeners are far away, and many. */
const probesAtOnce = 8;

/**
 * A managed relying party: a caller of the gateways that loads the domain's trust, proves that it
 * accepts what they are about to show, and reports both, so that no CA is retired under its feet.
 */
export class ManagedRelyingParty {
  readonly trust: LoadedTrust;
  readonly #first: ServerAddress;
  /** The one that served last. */
  #server: ServerAddress;
  /** Gives each relying party its own order of Admin Node Managers. */
  readonly #salt = randomBytes(8).toString("hex");
  readonly #token: string;
  readonly #proofs = new Map<
    string,
    Pick<EdgeProof, "presenter" | "authorityId" | "verifierEpoch">
  >();
  #caller: { caller: ApiCaller; epoch: number; server: ServerAddress } | null = null;

  constructor(of: { server: ServerAddress; trust: LoadedTrust; token: string }) {
    this.trust = of.trust;
    this.#first = of.server;
    this.#server = of.server;
    this.#token = of.token;
  }

  /**
   * Loads new trust, proves what is to be proven and reports. `loaded` runs between loading and
   * reporting: it must make the new trust the one that connections are made with. `oldest` gives the
   * lowest epoch among the caller's open connections, null if it has none. If the Admin Node Manager
   * that served last does not, the others that the loaded trust names are asked.
   */
  async step(loaded: () => void, oldest: () => number | null): Promise<void> {
    const servers = this.#inOrder();
    for (const [index, server] of servers.entries()) {
      try {
        await this.#stepAt(server, servers.length > 1, loaded, oldest);
        this.#server = server;
        return;
      } catch (error) {
        if (!mayDoBetterElsewhere(error) || index === servers.length - 1) throw error;
      }
    }
  }

  #inOrder(): ServerAddress[] {
    const nameOf = ({ address, port }: ServerAddress): string => `${address}:${port}`;
    const named = this.trust.document.admins.map(({ address, port }) => ({ address, port }));
    const others = new Map([...named, this.#first].map((server) => [nameOf(server), server]));
    others.delete(nameOf(this.#server));
    const rank = (name: string): string => sha256Hex(Buffer.from(this.#salt + name));
    return [
      this.#server,
      ...[...others]
        .toSorted(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))
        .map(([_name, server]) => server),
    ];
  }

  async #stepAt(
    server: ServerAddress,
    hasOthers: boolean,
    loaded: () => void,
    oldest: () => number | null,
  ): Promise<void> {
    const timeoutMs = hasOthers ? answerMsMax : onlyAnswerMsMax;
    if (this.trust.accept(await fetchTrustLinks(server, this.trust.epoch, timeoutMs))) loaded();
    const call = { headers: { authorization: `Bearer ${this.#token}` }, timeoutMs };
    const targets = await callApi(this.#apiOf(server), "getVerificationTargets", call);
    const failures = await this.#prove(targets);
    const body = {
      loadedEpoch: this.trust.epoch,
      oldestConnectionEpoch: oldest(),
      proofs: [...this.#proofs.values()],
    };
    await callApi(this.#apiOf(server), "reportRelyingParty", { ...call, body });
    if (failures.length > 0) throw failures[0];
  }

  async #prove({ id, prove, listeners }: Targets): Promise<unknown[]> {
    const failures: unknown[] = [];
    const edges = prove.flatMap((authorityId) =>
      listeners.map((listener) => ({ authorityId, listener })),
    );
    const proveNext = async (): Promise<void> => {
      for (let edge = edges.shift(); edge !== undefined; edge = edges.shift())
        await this.#proveOne(id, edge).catch((error: unknown) => failures.push(error));
    };
    await Promise.all(Array.from({ length: probesAtOnce }, proveNext));
    return failures;
  }

  async #proveOne(id: Targets["id"], { authorityId, listener }: TargetEdge): Promise<void> {
    const { process: presenter, address, port } = listener;
    const key = edgeKey(
      { verifier: id as RelyingPartyId, presenter, usage: "traffic" },
      authorityId,
    );
    const verifierEpoch = this.trust.epoch;
    if ((this.#proofs.get(key)?.verifierEpoch ?? 0) >= verifierEpoch) return;
    await probe({
      address,
      port,
      authorityId,
      identity: null,
      trust: this.trust,
      usage: "traffic",
      timeoutMs: probeTimeoutMs,
      checkServer: (peer) =>
        peer.isProbe ? undefined : new Error("the listener did not show a probe certificate"),
    });
    this.#proofs.set(key, { presenter, authorityId, verifierEpoch });
  }

  #apiOf(server: ServerAddress): ApiCaller {
    if (this.#caller?.epoch !== this.trust.epoch || this.#caller.server !== server) {
      this.#caller?.caller.close();
      const tls = adminServerTls({
        trust: this.trust,
        caller: "relying-party",
        nowMs: () => Date.now(),
      });
      this.#caller = {
        caller: new ApiCaller({ ...server, prefix: apiPrefix }, tls),
        epoch: this.trust.epoch,
        server,
      };
    }
    return this.#caller.caller;
  }

  close(): void {
    this.#caller?.caller.close();
  }
}
