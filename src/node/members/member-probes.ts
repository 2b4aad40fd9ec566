import { describeError, type AuthorityId, type ProcessId } from "../../kit/index.ts";
import { credentialId } from "../../domain/index.ts";
import type { WantedMember } from "../../contract/index.ts";
import { acceptsProbe, type MemberAt, type ProbeCredential } from "../../drivers/index.ts";
import { generateKeyPair, privateKeyToPem, requestForKey } from "../../keys/index.ts";
import type { AdminLink } from "../admin-link.ts";
import type { NodeState } from "../node-state.ts";

/** Probe certificates live for ten minutes: used anew well before. */
const probeLifeMs = 8 * 60_000;
/** A server is asked again this often for as long as the domain wants the proof. */
const askAgainMs = 20_000;
const retryMs = 2_000;
/** What a server said longer ago says nothing any more. */
const answerLifeMs = 60_000;

/** What a server has loaded: with another generation, or after a restart, its answer is another one. */
interface Asked {
  readonly member: MemberAt;
  readonly wanted: Pick<WantedMember, "id" | "serviceId">;
  readonly generation: number;
  readonly pid: number | null;
}

interface Answer {
  readonly of: string;
  readonly accepted: boolean;
  readonly atMs: number;
  readonly againAtMs: number;
}

/** Asks the server of one member, on its live port, whether it accepts certificates of an authority. */
export class MemberProbes {
  readonly #state: Pick<NodeState, "log" | "wake">;
  /** Keys that never touch the disk. */
  readonly #probes = new Map<AuthorityId, { probe: ProbeCredential; untilMs: number }>();
  readonly #answers = new Map<AuthorityId, Answer>();
  readonly #asking = new Set<AuthorityId>();

  constructor(state: Pick<NodeState, "log" | "wake">) {
    this.#state = state;
  }

  /** Of which of these authorities it accepted a probe, in the state in which it is now. */
  accepted(
    wanted: readonly AuthorityId[],
    of: Pick<Asked, "generation" | "pid"> | null,
  ): AuthorityId[] {
    if (of === null) return [];
    return wanted.filter((id) => {
      const answer = this.#answers.get(id);
      if (answer === undefined || answer.of !== stateOf(of)) return false;
      return answer.accepted && performance.now() - answer.atMs < answerLifeMs;
    });
  }

  /** Asks, in the background, if it is time to. */
  ask(link: Pick<AdminLink, "call">, authorityId: AuthorityId, asked: Asked): void {
    const last = this.#answers.get(authorityId);
    const isKnown = last?.of === stateOf(asked) && performance.now() < last.againAtMs;
    if (isKnown || this.#asking.has(authorityId)) return;
    this.#asking.add(authorityId);
    void this.#ask(link, authorityId, asked).finally(() => this.#asking.delete(authorityId));
  }

  async #ask(link: Pick<AdminLink, "call">, id: AuthorityId, asked: Asked): Promise<void> {
    const of = stateOf(asked);
    const before = this.#answers.get(id);
    let { accepted, atMs } = { accepted: false, atMs: performance.now() };
    try {
      accepted = await acceptsProbe(asked.member, await this.#probe(link, id, asked.wanted));
      if (!accepted) this.#log(id, asked, "its server refuses the certificate");
    } catch (error) {
      this.#log(id, asked, describeError(error));
      // Not asked is not refused.
      if (before?.of === of) ({ accepted, atMs } = before);
    }
    const nowMs = performance.now();
    this.#answers.set(id, {
      of,
      accepted,
      atMs,
      againAtMs: nowMs + (accepted ? askAgainMs : retryMs),
    });
    if (before?.of !== of || before.accepted !== accepted) this.#state.wake();
  }

  #log(authority: AuthorityId, { wanted }: Asked, error: string): void {
    this.#state.log.info({ member: wanted.id, authority, error }, "a member's trust is not proven");
  }

  async #probe(
    link: Pick<AdminLink, "call">,
    authorityId: AuthorityId,
    { id, serviceId }: { id: ProcessId; serviceId: WantedMember["serviceId"] },
  ): Promise<ProbeCredential> {
    const known = this.#probes.get(authorityId);
    if (known !== undefined && performance.now() < known.untilMs) return known.probe;
    const { privateKey } = await generateKeyPair("ecdsa-p256");
    const requestPem = await requestForKey(privateKey, "CN=probe");
    const { certificatePem, chainPem } = await link.call("issueProbe", {
      body: { credentialId: credentialId(id, serviceId), authorityId, requestPem },
    });
    const probe = {
      privateKeyPem: privateKeyToPem(privateKey),
      certificateChainPem: certificatePem + chainPem,
    };
    this.#probes.set(authorityId, { probe, untilMs: performance.now() + probeLifeMs });
    return probe;
  }
}

function stateOf({ generation, pid }: Pick<Asked, "generation" | "pid">): string {
  return `${generation} ${pid}`;
}
