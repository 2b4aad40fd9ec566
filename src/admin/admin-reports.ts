import { setTimeout as sleep } from "node:timers/promises";
import { describeError, type AuthorityId, type HostId } from "../kit/index.ts";
import type { Finding } from "../domain/index.ts";
import type { AdminState } from "./admin-state.ts";
import { keyMissing, ownReport } from "./own-report.ts";

/** What an Admin Node Manager reports of itself. */
export interface AdminReport {
  /** The authorities that it can sign with at this moment. */
  readonly signs: readonly AuthorityId[];
  readonly findings: readonly Finding[];
}

const everyMs = 2_000;
/** A login at the database takes both sides some work. */
const looksPerDatabaseLook = 5;
const database = "database";
/** On a busy machine one answer may come too late. */
const silentLooksMax = 1;

/** What every Admin Node Manager last reported of itself: who can sign, and what is wrong with it. */
export class AdminReports {
  #reports = new Map<HostId, AdminReport>();
  readonly #silentLooks = new Map<HostId, number>();
  #looks = 0;

  /** False before the first look has ended. */
  get areKnown(): boolean {
    return this.#looks > 0;
  }

  /** True if the one of this host answered of late. */
  answers(host: HostId): boolean {
    return this.#reports.has(host);
  }

  /** True if it was asked more than once, and has not answered of late; false for this one itself. */
  isSilent(host: HostId): boolean {
    return (this.#silentLooks.get(host) ?? 0) > silentLooksMax;
  }

  /** True if the one of this host answered of late, and did not say that the key is missing there. */
  hasKey(host: HostId, id: AuthorityId): boolean {
    const report = this.#reports.get(host);
    return !(
      report?.findings.some(({ code, subject }) => code === keyMissing && subject === id) ?? true
    );
  }

  /** The hosts whose Admin Node Managers can sign with an authority now, as far as they answer. */
  signersOf(id: AuthorityId): HostId[] {
    const able = [...this.#reports].filter(([, { signs }]) => signs.includes(id));
    return able.map(([host]) => host).toSorted();
  }

  findings(): Finding[] {
    return [...this.#reports.values()].flatMap(({ findings }) => findings);
  }

  /** Asks this process itself, all others, and now and then the database for its clock. */
  async look(state: AdminState): Promise<void> {
    const { clock } = state.env;
    const answers = await state.peers.states();
    if (this.#looks % looksPerDatabaseLook === 0) await askDatabase(state);
    const reports = new Map<HostId, AdminReport>();
    for (const { hostId, said } of answers) {
      if (said !== null) clock.note(hostId, said.clock);
      const report = said ?? this.#lastOfSilent(hostId);
      if (report !== undefined) reports.set(hostId, report);
      if (said !== null) this.#silentLooks.delete(hostId);
    }
    for (const hostId of this.#reports.keys()) if (!reports.has(hostId)) clock.note(hostId, null);
    try {
      reports.set(state.hostId, await ownReport(state));
    } finally {
      this.#reports = reports;
      this.#looks += 1;
    }
  }

  #lastOfSilent(hostId: HostId): AdminReport | undefined {
    const looks = (this.#silentLooks.get(hostId) ?? 0) + 1;
    this.#silentLooks.set(hostId, looks);
    return looks > silentLooksMax ? undefined : this.#reports.get(hostId);
  }

  /** After something has changed here that others need not be asked about. */
  async lookAtSelf(state: AdminState): Promise<void> {
    this.#reports.set(state.hostId, await ownReport(state));
  }
}

async function askDatabase({ env }: AdminState): Promise<void> {
  const { clock } = env;
  const askedAtMs = clock.monotonicMs();
  const saidMs = await env.databaseNowMs().catch(() => null);
  const answeredAtMs = clock.monotonicMs();
  clock.note(database, saidMs === null ? null : { saidMs, askedAtMs, answeredAtMs });
}

/** Keeps up with what the Admin Node Managers say of themselves. */
export async function watchAdmins(state: AdminState, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await state.reports.look(state).catch((error: unknown) => {
      state.log.warn(
        { error: describeError(error) },
        "the state of the keys could not be looked at",
      );
    });
    await sleep(everyMs, undefined, { signal }).catch(() => undefined);
  }
}
