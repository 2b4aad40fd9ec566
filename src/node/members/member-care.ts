import type { AuthorityId } from "../../kit/index.ts";
import type { Finding, MemberStatus } from "../../domain/index.ts";
import type { WantedMember } from "../../contract/index.ts";
import { traitsOf, type ExaminationContext, type MemberAt } from "../../drivers/index.ts";
import type { AdminLink } from "../admin-link.ts";
import type { NodeState } from "../node-state.ts";
import type { GenerationRecord } from "./generation-records.ts";
import { MemberExamination } from "./member-examination.ts";
import { MemberProbes } from "./member-probes.ts";
import { MemberRole } from "./member-role.ts";
import { MemberSettings } from "./member-settings.ts";
import { MemberWatch } from "./member-watch.ts";

/** While a member changes its role. */
const lookSoonMs = 250;

/** A member as it is at one look. */
export interface AtLook {
  readonly wanted: WantedMember;
  readonly installed: GenerationRecord | null;
  /** Of its process, where it is supervised. */
  readonly pid: number | null;
}

/** What is done for a server that runs, beside its files: asked how it is, examined, its role and settings kept. */
export class MemberCare {
  readonly #state: NodeState;
  readonly #watch: MemberWatch;
  readonly #role = new MemberRole();
  readonly #settings: MemberSettings;
  readonly #examination: MemberExamination;
  readonly #probes: MemberProbes;

  constructor(state: NodeState) {
    this.#state = state;
    this.#watch = new MemberWatch(() => state.wake());
    this.#settings = new MemberSettings(state.log);
    this.#examination = new MemberExamination(state);
    this.#probes = new MemberProbes(state);
  }

  /** What it said last; null while it does not answer. */
  get status(): MemberStatus | null {
    return this.#watch.seen?.status ?? null;
  }

  /** Null: not known yet. */
  get isAnswering(): boolean | null {
    return this.#watch.isAnswering;
  }

  /** What an examination found that keeps it out, or will. */
  get findings(): readonly Finding[] {
    return this.#examination.findings;
  }

  /** True if this very process has answered. */
  hasAnswered(pid: number | null): boolean {
    return this.#watch.hasAnswered(pid);
  }

  /** True if every port was seen to show what is installed. */
  shows(installed: GenerationRecord | null): boolean {
    return this.#watch.shows(installed);
  }

  /** True if ports go on showing another certificate. */
  showsOther(): boolean {
    return this.#watch.showsOther();
  }

  /** What keeps it from being as desired, though its files and its process are. */
  problem(installed: GenerationRecord | null): string | null {
    return this.#watch.problem(installed) ?? this.#role.error ?? this.#settings.error;
  }

  /** After a change: what was known of it is of before. */
  again(): void {
    this.#watch.again();
    this.#examination.again();
  }

  beforeStart(member: MemberAt, { role }: WantedMember): Promise<void> {
    return this.#role.beforeStart(member, role);
  }

  /** True if it has settings now that take effect with its next restart only. */
  async follow(member: MemberAt, look: AtLook, isWell: boolean): Promise<boolean> {
    const { wanted, installed } = look;
    const isNew = installed !== null && (await this.#settings.converge(member));
    if (installed !== null) {
      const { status } = this;
      const { asked } = this.#watch;
      const done = await this.#role.converge(member, wanted.role, { status, asked });
      if (done === "step") this.#watch.again();
      if (done !== "has-it") setTimeout(() => this.#state.wake(), lookSoonMs).unref();
    }
    // One that runs with the credentials that it came with is to be told of, too.
    if (installed !== null || this.isAnswering === true)
      this.#examination.look(member, this.#contextOf(look), isWell);
    this.#watch.look(member, { ...look, isWell });
    return isNew;
  }

  /** By what others call it is known of certificates of ours alone. */
  #contextOf({ wanted, installed }: AtLook): ExaminationContext {
    const { trust, processId } = this.#state;
    const self = trust.host?.processes.find(({ id }) => id === processId);
    const names = self === undefined || (installed?.sequence ?? 0) === 0 ? [] : [self.address];
    return {
      subject: wanted.id,
      nowMs: Date.now(),
      domainNowMs: null,
      names,
      peerAnchors: null,
    };
  }

  /** Of which of these authorities its server has accepted a probe. */
  accepts(authorities: readonly AuthorityId[], look: AtLook): AuthorityId[] {
    return this.#probes.accepted(authorities, this.#inUse(look));
  }

  /** Has its server proven that it accepts an authority's certificates, if it runs with trust in it. */
  prove(
    link: Pick<AdminLink, "call">,
    authorityId: AuthorityId,
    of: AtLook & { readonly member: MemberAt },
  ): void {
    const { member, wanted, installed } = of;
    const inUse = this.#inUse(of);
    if (inUse === null || installed?.trusts.includes(authorityId) !== true) return;
    if (traitsOf(member.description).evidence !== "handshake") return;
    this.#probes.ask(link, authorityId, { member, wanted, ...inUse });
  }

  #inUse({ installed, pid }: AtLook): { generation: number; pid: number | null } | null {
    if (installed === null || !this.#watch.hasAnswered(pid)) return null;
    return { generation: installed.number, pid };
  }
}
