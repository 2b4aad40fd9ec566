import { describeError, DomainError } from "../kit/index.ts";
import { presentFiles, recoverFiles } from "./member-files.ts";
import { linkedSequence, readManifest, setLink, type Facts, type Place } from "./place.ts";
import { pruneFiles, stageFiles, type StagedFile } from "./stage-files.ts";
import { keepFound } from "./swap-files.ts";

/** What is done to a running server; each throws a DomainError that says why it did not succeed. */
export interface MemberServer {
  readonly name: string;
  /** The server's own check of its configuration, with the files as they are now. */
  check(): Promise<void>;
  /** Makes it read its files anew; `isTrustChanged` where it has to be restarted for that. */
  takeEffect(isTrustChanged: boolean): Promise<void>;
  /** Whether its ports show the leaf with this fingerprint now. */
  serves(leaf: string): Promise<boolean>;
  /** Resolves when they do, before the deadline of its driver. */
  untilServes(leaf: string): Promise<void>;
}

export interface NewGeneration {
  /** Grows with every generation of this member; 1 is the first. */
  readonly sequence: number;
  readonly facts: Facts & { readonly leaf: string; readonly anchors: string };
  readonly files: readonly StagedFile[];
}

/**
 * `stopped`: the files are placed and checked only, and the call is repeated with `started`, which
 * says that the server has read them by starting after that; `running`: it has to be told.
 */
export type ServerState = "running" | "stopped" | "started";

/** Generations that are kept besides the current and the last good one. */
const keptGenerations = 3;

/**
 * Brings a generation into a server: staged, presented, checked, read by the server, seen in a
 * handshake, and only then the last known good one. Where any of that fails, the last known good
 * one is back, and read, before the DomainError `generation-refused` is thrown. Every step can be
 * repeated: after a crash, the same call goes on from what is there.
 */
export async function installOnMember(
  place: Place,
  server: MemberServer,
  generation: NewGeneration,
  serverIs: ServerState = "running",
): Promise<void> {
  const { sequence, facts, files } = generation;
  await recoverFiles(place);
  await keepFound(place);
  await stageFiles(place, sequence, facts, files);
  const good = await linkedSequence(place, "good");
  const isCurrent = (await linkedSequence(place, "current")) === sequence;
  if (good === sequence && isCurrent && (await server.serves(facts.leaf))) return;
  const goodFacts = good === null ? null : await readManifest(place, good);
  const isTrustChanged = goodFacts?.anchors !== facts.anchors;
  let isRead = false;
  try {
    await presentFiles(place, sequence);
    await server.check();
    if (serverIs === "stopped") return;
    isRead = true;
    if (serverIs === "running") await server.takeEffect(isTrustChanged);
    await server.untilServes(facts.leaf);
  } catch (cause) {
    const isFirst = good === null || good === sequence;
    if (good !== sequence)
      await returnTo(place, server, good, isRead ? { isTrustChanged } : null, cause);
    throw new DomainError(
      "generation-refused",
      `${server.name} did not take generation ${sequence}; ${isFirst ? "there is no earlier one to return to" : `generation ${good} is in use again`}`,
      { cause, context: { sequence, good } },
    );
  }
  await setLink(place, "good", sequence);
  await pruneFiles(place, keptGenerations);
}

/** Presents the last known good generation again; has the server read it if it read another. */
async function returnTo(
  place: Place,
  server: MemberServer,
  good: number | null,
  toRead: { isTrustChanged: boolean } | null,
  reason: unknown,
): Promise<void> {
  try {
    await recoverFiles(place);
    await presentFiles(place, good);
    if (good === null || toRead === null) return;
    await server.takeEffect(toRead.isTrustChanged);
    const facts = await readManifest(place, good);
    if (facts !== null && facts.leaf !== null) await server.untilServes(facts.leaf);
  } catch (cause) {
    throw new DomainError(
      "generation-refused",
      `${server.name} did not take a new generation, nor generation ${good ?? "none"} again: look at ${place.folder} and at the server's log`,
      { cause, context: { good, reason: describeError(reason) } },
    );
  }
}
