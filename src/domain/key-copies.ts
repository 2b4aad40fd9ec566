/** A copy of a key that survives the loss of every Admin Node Manager. */
export interface KeyCopy {
  readonly atMs: number;
  /** Who made or recorded it, as in the audit log. */
  readonly by: string;
  /** Where it is, in people's words. */
  readonly where: string;
}

/** By authority id, and `trustSigningKeyName`. */
export type KeyCopies = Readonly<Record<string, KeyCopy>>;

/** What the trust-signing key is called among the keys of which there are copies. */
export const trustSigningKeyName = "trust-signing";
