import type { KeyObject } from "node:crypto";
import type { Finding } from "../domain/index.ts";
import type { Certificate } from "../pki/index.ts";

/** What an examination has to know besides the member itself. */
export interface ExaminationContext {
  /** The subject of findings: the member's id. */
  readonly subject: string;
  /** By this host's clock. */
  readonly nowMs: number;
  /** By the clocks of the Admin Node Managers; null where they were not asked. */
  readonly domainNowMs: number | null;
  /** DNS names and IP addresses by which others call the member. */
  readonly names: readonly string[];
  /** The CAs that the other members trust; null where that is not known: the member's own are taken. */
  readonly peerAnchors: readonly Certificate[] | null;
  /** Where Debian's snakeoil certificate is on this host; its own place without it. */
  readonly snakeoilFile?: string;
}

/** Makes a finding about the member that is examined. */
export type Say = (code: string, severity: Finding["severity"], text: string) => Finding;

/** An examination that is under way. */
export interface Examination {
  readonly context: ExaminationContext;
  /** What the files of the description hold, in its order. */
  readonly credentials: readonly FoundCredential[];
  readonly say: Say;
}

/** One credential of a member as its files have it; null where a file cannot be read. */
export interface FoundCredential {
  readonly keyPath: string;
  readonly certificatePath: string;
  readonly key: KeyObject | null;
  readonly leaf: Certificate | null;
  readonly chain: readonly Certificate[];
  readonly trustPath: string | null;
  readonly anchors: readonly Certificate[];
}

export interface FoundFiles {
  readonly findings: readonly Finding[];
  readonly credentials: readonly FoundCredential[];
}
