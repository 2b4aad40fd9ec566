import { isSameCombination, type Combination } from "./generation-records.ts";

/** What is known of a member on its host; pure data. */
export interface MemberSituation {
  readonly supervised: boolean;
  readonly enabled: boolean;
  /** Its process lives; one that is only looked after answers. Null: not known yet. */
  readonly isRunning: boolean | null;
  /** Null: there is no certificate for it yet. */
  readonly wanted: Combination | null;
  /** The generations that its files hold and that last worked; null: none. */
  readonly current: number | null;
  readonly good: number | null;
  /** What the last that worked consists of; null where that is not known. */
  readonly goodIs: Combination | null;
  readonly hasChangedFiles: boolean;
  /** The wanted generation was brought to its files, while it did not run. */
  readonly isPlaced: boolean;
  /** False while a pause lasts after what is wanted was refused. */
  readonly mayInstall: boolean;
}

export type MemberStep =
  | { readonly do: "nothing" }
  | { readonly do: "stop" }
  /** Start it with the files that are there. */
  | { readonly do: "start" }
  /** Bring the wanted generation to its files, for when somebody starts it. */
  | { readonly do: "place" }
  /** Bring the wanted generation to its files, then start it. */
  | { readonly do: "place-and-start" }
  /** Bring the wanted generation into the running server. */
  | { readonly do: "install" };

/** Decides what a member needs next. Nothing is ever started before there is a generation in its files. */
export function nextStep(situation: MemberSituation): MemberStep {
  const { supervised, enabled, isRunning, current, mayInstall } = situation;
  if (supervised && !enabled) return { do: isRunning ? "stop" : "nothing" };
  const isWanted = mayInstall && needsInstall(situation);
  if (isRunning === true) return { do: isWanted ? "install" : "nothing" };
  if (!supervised) return notStartedHere(situation, isWanted);
  if (isWanted) return { do: "place-and-start" };
  return { do: current === null ? "nothing" : "start" };
}

/** A server that has never had a generation may need its files to be started at all. */
function notStartedHere(
  { isRunning, good, isPlaced }: MemberSituation,
  isWanted: boolean,
): MemberStep {
  if (!isWanted || isRunning === null || isPlaced) return { do: "nothing" };
  return { do: good === null ? "place" : "install" };
}

/** True if what is in use is not what is wanted, whole and proven. */
export function needsInstall({
  wanted,
  current,
  good,
  goodIs,
  hasChangedFiles,
}: MemberSituation): boolean {
  if (wanted === null) return false;
  if (good === null || goodIs === null || current !== good || hasChangedFiles) return true;
  return !isSameCombination(wanted, goodIs);
}
