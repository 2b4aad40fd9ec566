import { setTimeout as sleep } from "node:timers/promises";
import { describeError } from "../../kit/index.ts";
import type { MemberStatus } from "../../domain/index.ts";
import { readStatus, shownBy, type MemberAt, type Shown } from "../../drivers/index.ts";

/** What a member said and showed when it was last asked. */
export interface Seen {
  readonly status: MemberStatus | null;
  /** Why its status could not be read; null where it was, or its driver cannot ask. */
  readonly statusError: string | null;
  readonly ports: readonly SeenPort[];
}

interface SeenPort {
  /** `127.0.0.1:443`, or the file in which it is seen */
  readonly at: string;
  /** SHA-256 of the certificate that it shows; null: it shows none. */
  readonly leaf: string | null;
  readonly error: string | null;
}

/** A status that takes longer is no answer, whatever its driver waits for. */
const statusSecondsMax = 60;

/** Asks a member for its status and looks at its ports; never throws, and always comes to an end. */
export async function observe(member: MemberAt, secondsMax = statusSecondsMax): Promise<Seen> {
  const limit = new AbortController();
  const asked = Promise.race([
    readStatus(member).then((status) => ({ status, statusError: null })),
    sleep(secondsMax * 1000, null, { signal: limit.signal, ref: false }).then(() => ({
      status: null,
      statusError: `${member.name} does not say how it is within ${secondsMax} s: look at its log`,
    })),
  ])
    .catch((error: unknown) => ({ status: null, statusError: describeError(error) }))
    .finally(() => limit.abort());
  const shown = shownBy(member).catch((error: unknown): Shown[] => [
    { at: member.name, leaf: null, error },
  ]);
  return { ...(await asked), ports: (await shown).map(seenPort) };
}

function seenPort({ at, leaf, error }: Shown): SeenPort {
  return { at, leaf, error: error === null ? null : describeError(error) };
}

/** True if it answers: it says how it is, or shows a certificate somewhere. */
export function isAnswering({ status, ports }: Seen): boolean {
  return status !== null || ports.some(({ leaf }) => leaf !== null);
}

/** True if every port shows the certificate. */
export function showsEverywhere({ ports }: Seen, leaf: string): boolean {
  return ports.every((port) => port.leaf === leaf);
}

/** True if a port shows another certificate than this one; one that shows none is not that. */
export function showsOther({ ports }: Seen, leaf: string): boolean {
  return ports.some((port) => port.leaf !== null && port.leaf !== leaf);
}

/** Why what was seen is not as it should be, in one line; null if it is. */
export function seenProblem(
  { ports, status, statusError }: Seen,
  installed: { readonly leaf: string; readonly number: number } | null,
): string | null {
  // One that answers, and runs with what it came with, has to show nothing of ours.
  if (installed === null && status !== null) return null;
  const silent = ports.find(({ error }) => error !== null);
  if (silent !== undefined) return silent.error;
  const other = ports.find(({ leaf }) => installed !== null && leaf !== installed.leaf);
  if (other !== undefined)
    return `${other.at} shows another certificate than generation ${installed?.number} in its files: have the server read them, or look at its configuration and its log`;
  return statusError;
}
