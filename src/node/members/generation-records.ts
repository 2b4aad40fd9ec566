import type { AuthorityId } from "../../kit/index.ts";
import { writeFileAtomic } from "../../keys/index.ts";
import { readStateFile } from "../../transport/index.ts";

/** Of what a generation of a member consists: what makes another one of it is another generation. */
export interface Combination {
  /** Of its credential; 0 is what was found on the host. */
  readonly sequence: number;
  readonly trusts: readonly AuthorityId[];
  /** Says, as a hash, in which files it is. */
  readonly form: string;
}

/** A generation that was, or is about to be, installed in a member's server. */
export interface GenerationRecord extends Combination {
  readonly number: number;
  readonly authorityId: AuthorityId;
  readonly serial: string;
  readonly notAfterMs: number;
  /** SHA-256 of its leaf, and of all that it consists of. */
  readonly leaf: string;
  readonly content: string;
}

/** Kept for a report of what is in use: the good one is seldom older. */
const recordsMax = 16;

/** True if they are the same credential, trust and files. */
export function isSameCombination(a: Combination, b: Combination): boolean {
  const text = ({ sequence, trusts, form }: Combination): string =>
    JSON.stringify([sequence, [...trusts].toSorted(), form]);
  return text(a) === text(b);
}

/**
 * The records with one for this generation, the newest last. It gets the number of the newest if that
 * is the same and `isUsable`; else one that none has had, `used` (those on the host) among them.
 */
export function recordGeneration(
  records: readonly GenerationRecord[],
  generation: Omit<GenerationRecord, "number">,
  { isUsable, used }: { readonly isUsable: boolean; readonly used: readonly number[] },
): readonly GenerationRecord[] {
  const newest = records.at(-1);
  if (newest !== undefined && isUsable && newest.content === generation.content) return records;
  const number = Math.max(0, newest?.number ?? 0, ...used) + 1;
  return [...records, { ...generation, number }].slice(-recordsMax);
}

/** What is known of a member's generations. Throws `state-corrupt`. */
export async function readRecords(path: string): Promise<readonly GenerationRecord[]> {
  return (await readStateFile<GenerationRecord[]>(path)) ?? [];
}

/** Durable on return: a number is never given to another content. */
export async function writeRecords(
  path: string,
  records: readonly GenerationRecord[],
): Promise<void> {
  await writeFileAtomic(path, `${JSON.stringify(records, null, 2)}\n`, { mode: 0o600 });
}
