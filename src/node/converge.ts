import { fits, type DesiredCredential } from "../domain/index.ts";

/** What is known of a generation on disk; pure data, so that decisions can be tested without disks. */
export interface GenerationFacts {
  readonly sequence: number;
  readonly authorityId: DesiredCredential["authorityId"];
  readonly notAfterMs: number;
  /** The slot in which to renew. */
  readonly renewFromMs: number;
  readonly renewUntilMs: number;
}

export interface CredentialSituation {
  readonly desired: DesiredCredential & { readonly presentableSequence: number };
  readonly current: GenerationFacts | null;
  /** Every complete generation on disk, `current` included. */
  readonly kept: readonly GenerationFacts[];
  readonly nowMs: number;
  /** Between 0 and 1, the same for one generation at every look: where in its slot it renews. */
  readonly jitter: number;
}

export type CredentialMove =
  | { readonly do: "nothing" }
  /** A generation on disk fits: present that one. */
  | { readonly do: "present"; readonly sequence: number }
  | { readonly do: "request" }
  /** The presented generation fits, and its slot has come: before `notAfterMs`. */
  | { readonly do: "renew"; readonly notAfterMs: number }
  /** The newest generation fits, but some peer does not know its key yet. */
  | { readonly do: "wait" };

/**
 * Decides what a credential needs next. What is desired comes before renewal; a generation that is
 * on disk already comes before a new one, so that an answer that was lost, a crash between two
 * steps, or a rollback costs no second certificate.
 */
export function nextCredentialMove(situation: CredentialSituation): CredentialMove {
  const { desired, current, kept, nowMs } = situation;
  const usable = kept.filter(
    (generation) => fits(generation, desired) && generation.notAfterMs > nowMs,
  );
  const newest = usable.toSorted((a, b) => b.sequence - a.sequence)[0];
  if (newest === undefined) return { do: "request" };
  if (newest.sequence !== current?.sequence) {
    return newest.sequence <= desired.presentableSequence
      ? { do: "present", sequence: newest.sequence }
      : { do: "wait" };
  }
  return isRenewalDue(newest, nowMs, situation.jitter)
    ? { do: "renew", notAfterMs: newest.notAfterMs }
    : { do: "nothing" };
}

/** Less than a tenth of its life is left, or none. Times in ms since 1970. */
export function isNearItsEnd(
  { notBeforeMs, notAfterMs }: { readonly notBeforeMs: number; readonly notAfterMs: number },
  nowMs: number,
): boolean {
  return notAfterMs - nowMs < (notAfterMs - notBeforeMs) / 10;
}

/** Inside the slot that the Admin Node Manager gave, at this generation's own moment. */
function isRenewalDue(generation: GenerationFacts, nowMs: number, jitter: number): boolean {
  const slotMs = Math.max(0, generation.renewUntilMs - generation.renewFromMs);
  return nowMs >= generation.renewFromMs + slotMs * jitter;
}
