import { existsSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import {
  describeError,
  type AuthorityId,
  type ProcessId,
  type ServiceId,
} from "../../kit/index.ts";
import type { ObservedReport, WantedMember } from "../../contract/index.ts";
import type { AdminLink } from "../admin-link.ts";
import type { NodeState } from "../node-state.ts";
import { LeftMember } from "./left-member.ts";
import { MemberKeeper } from "./member-keeper.ts";

/** For so long the host waits for the looks at its members before it goes on. */
const lookMsMax = 250;
/** The same while it does not know what they use: nothing else is to be reported. */
const firstLookMsMax = 3_000;

type MemberReport = NonNullable<ObservedReport["members"]>[number];

/** What ends a member of this host. */
type Ending = Pick<MemberKeeper, "end">;

/** The members of services on this host. */
export class Members {
  readonly #state: NodeState;
  readonly #keepers = new Map<ProcessId, MemberKeeper>();
  /** Those that are not wanted any more, until they are gone. */
  readonly #leaving = new Map<ProcessId, Ending>();
  /** As they were last desired: an older Admin Node Manager says nothing of them. */
  #wanted: readonly WantedMember[] = [];
  #hasLookedForLeft = false;

  constructor(state: NodeState) {
    this.#state = state;
  }

  /** Begins a look at each, and ends those that are no longer wanted; what takes long goes on meanwhile. */
  async converge(): Promise<void> {
    this.#wanted = this.#state.desired?.members ?? this.#wanted;
    const looks = this.#wanted.map(async (wanted) => {
      if (this.#leaving.has(wanted.id)) return;
      const keeper = this.#keepers.get(wanted.id) ?? new MemberKeeper(this.#state, wanted);
      this.#keepers.set(wanted.id, keeper);
      await keeper.look(wanted);
    });
    await this.#lookForLeft();
    for (const [id, keeper] of this.#keepers) {
      if (this.#wanted.some((wanted) => wanted.id === id)) continue;
      this.#keepers.delete(id);
      this.#leaving.set(id, keeper);
    }
    for (const [id, ending] of this.#leaving) await this.#remove(id, ending);
    const isKnown = [...this.#keepers.values()].every((keeper) => keeper.isKnown);
    const limitMs = isKnown ? lookMsMax : firstLookMsMax;
    await Promise.race([Promise.all(looks), sleep(limitMs, undefined, { ref: false })]);
  }

  /** What an earlier start of this Node Manager did not live to remove: see `Instances`. */
  async #lookForLeft(): Promise<void> {
    const { desired, received, layout } = this.#state;
    if (this.#hasLookedForLeft || received?.members === undefined || desired !== received) return;
    for (const name of await readdir(`${layout.home}/members`).catch((): string[] => [])) {
      const id = name as ProcessId;
      if (!this.#keepers.has(id)) this.#leaving.set(id, new LeftMember(this.#state, id));
    }
    this.#hasLookedForLeft = true;
  }

  /** The server's own files stay where its driver has them. */
  async #remove(id: ProcessId, ending: Ending): Promise<void> {
    try {
      if (!(await ending.end())) return;
      const { folder } = this.#state.layout.member(id);
      if (existsSync(folder)) await rm(folder, { recursive: true, force: true });
      this.#leaving.delete(id);
      this.#state.log.info({ member: id }, "the member is not looked after any more");
    } catch (error) {
      this.#state.log.warn({ member: id, error: describeError(error) }, "it could not be removed");
    }
  }

  /** Has the members of a service proven, in the background, that their servers accept an authority. */
  prove(link: Pick<AdminLink, "call">, serviceId: ServiceId, authorityId: AuthorityId): void {
    for (const wanted of this.#wanted)
      if (wanted.serviceId === serviceId) this.#keepers.get(wanted.id)?.prove(link, authorityId);
  }

  /** Absent while no Admin Node Manager has said anything of members. */
  async report(): Promise<Pick<ObservedReport, "processes" | "members">> {
    const processes: ObservedReport["processes"] = [];
    const members: MemberReport[] = [];
    for (const { id } of this.#wanted) {
      const keeper = this.#keepers.get(id);
      if (keeper === undefined) continue;
      processes.push({
        id,
        ...(await keeper.processState()),
        loadedEpoch: null,
        filesEpoch: 0,
        oldestConnectionEpoch: null,
      });
      members.push(reportOf(id, keeper, this.#state.desired?.prove ?? []));
    }
    return this.#state.desired?.members === undefined ? { processes } : { processes, members };
  }

  /** What its server uses of a member's credential, and whether it was seen to show it. */
  credentialOf(id: ProcessId): Pick<MemberKeeper, "installed" | "isShown" | "refusal"> | null {
    return this.#keepers.get(id) ?? null;
  }
}

/** As the contract has it. */
const problemLengthMax = 1_000;
const findingsMax = 200;

function reportOf(
  id: ProcessId,
  keeper: MemberKeeper,
  proven: readonly AuthorityId[],
): MemberReport {
  const { installed, status, changedFiles, findings, problem } = keeper;
  return {
    id,
    installed: installed && { sequence: installed.sequence, trusts: [...installed.trusts] },
    accepts: keeper.accepts(proven),
    status,
    changedFiles: [...changedFiles],
    findings: findings.slice(0, findingsMax),
    problem: problem?.slice(0, problemLengthMax) ?? null,
  };
}
