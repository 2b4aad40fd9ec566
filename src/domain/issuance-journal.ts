import type { AuthorityId, CredentialId } from "../kit/index.ts";

/**
 * A certificate that a host took while no Admin Node Manager could be asked. Its journal is a chain:
 * each entry names the one before, so that none can be left out when they are merged.
 */
export interface LocalIssuance {
  /** 1, 2, 3 ... without a gap, per host. */
  readonly number: number;
  /** Hex SHA-256 of the entry before, as `journalText` has it; null for the first. */
  readonly previous: string | null;
  readonly atMs: number;
  readonly credentialId: CredentialId;
  readonly authorityId: AuthorityId;
  /** Of the generation that it was installed as; null: its key is a new one, which peers do not know yet. */
  readonly sequence: number | null;
  readonly certificatePem: string;
}

/** How far a journal was followed. */
export interface JournalHead {
  /** 0: nothing. */
  readonly number: number;
  /** Hex SHA-256 of that entry; null: there is none. */
  readonly hash: string | null;
}

export const emptyJournal: JournalHead = { number: 0, hash: null };

/** The bytes of an entry that its hash covers: one line of the file. */
export function journalText(entry: LocalIssuance): string {
  const { number, previous, atMs, credentialId, authorityId, sequence, certificatePem } = entry;
  const fields = { number, previous, atMs, credentialId, authorityId, sequence, certificatePem };
  return JSON.stringify(fields);
}

/** True if an entry is the next one after `head`. */
export function follows(
  head: JournalHead,
  { number, previous }: Pick<LocalIssuance, "number" | "previous">,
): boolean {
  return number === head.number + 1 && previous === head.hash;
}
