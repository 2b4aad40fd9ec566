import { createHash } from "node:crypto";
import { DomainError } from "../kit/index.ts";
import {
  anchorsFor,
  checkSuccession,
  type AuthorityUsage,
  type Envelope,
  type HostDocument,
  type TrustDocument,
} from "../domain/index.ts";
import { verifyEnvelope } from "../keys/index.ts";

/** What is kept on disk: enough to start with the same trust, and to verify what comes next. */
export interface SavedTrust {
  /** SPKI (base64 DER) of the key that signed `link`. */
  readonly signer: string;
  readonly link: Envelope;
  readonly host: Envelope | null;
  readonly closeBefore: number;
  /** Links before and with `link`, oldest first: a restored Admin Node Manager may lack them. */
  readonly recent?: readonly Envelope[];
}

/** How many links are kept, and how long they may be together (characters). */
const recentMax = 256;
const recentLengthMax = 2_000_000;

interface Loaded {
  readonly document: TrustDocument;
  /** Hex SHA-256 of the payload: the next link must name it. */
  readonly hash: string;
  readonly link: Envelope;
  /** SPKI (base64 DER) of the key that signed `link`. */
  readonly signer: string;
}

/**
 * The trust that a process has loaded: the newest verified link of the chain, and its host's
 * document. Never goes back to a lower epoch or version.
 */
export class LoadedTrust {
  readonly #pinnedKeyId: string;
  #current: Loaded | null = null;
  #host: { document: HostDocument; envelope: Envelope } | null = null;
  #closeBefore = 0;
  #recent: readonly Envelope[] = [];

  /** `pinnedKeyId`: hex SHA-256 of the SPKI of the key that signs the first link it will see. */
  constructor(pinnedKeyId: string) {
    this.#pinnedKeyId = pinnedKeyId;
  }

  /** Restores what `save` returned. Throws `state-corrupt` if it does not verify. */
  static restore(saved: SavedTrust): LoadedTrust {
    try {
      const trust = new LoadedTrust(saved.link.keyId);
      const document = openEnvelope<TrustDocument>("trust", saved.link, saved.signer);
      trust.#current = {
        document,
        hash: hashOf(saved.link),
        link: saved.link,
        signer: saved.signer,
      };
      trust.#closeBefore = saved.closeBefore;
      trust.#recent = saved.recent ?? [saved.link];
      if (saved.host !== null) trust.acceptHost(saved.host);
      return trust;
    } catch (cause) {
      throw new DomainError(
        "state-corrupt",
        "the saved trust document does not verify: remove it and join the host again",
        { cause },
      );
    }
  }

  /** The same trust in an object of its own, to see what it becomes before it is in force. */
  copy(): LoadedTrust {
    const copy = new LoadedTrust(this.#pinnedKeyId);
    copy.#current = this.#current;
    copy.#host = this.#host;
    copy.#closeBefore = this.#closeBefore;
    copy.#recent = this.#recent;
    return copy;
  }

  save(): SavedTrust {
    const { link, signer } = this.#required();
    return { signer, link, host: this.#host?.envelope ?? null, closeBefore: this.#closeBefore };
  }

  /** The last links that were loaded, oldest first, without a gap. */
  get recent(): readonly Envelope[] {
    return this.#recent;
  }

  /** Verifies and loads links in order; those already loaded are passed over. True if any was new. */
  accept(links: readonly Envelope[]): boolean {
    let changed = false;
    for (const link of links) changed = this.#acceptOne(link) || changed;
    return changed;
  }

  #acceptOne(link: Envelope): boolean {
    const stated = JSON.parse(
      Buffer.from(link.payload, "base64").toString("utf8"),
    ) as TrustDocument;
    if (this.#current !== null && stated.epoch <= this.#current.document.epoch) return false;
    const signer = this.#current?.document.signingKey ?? stated.signingKey;
    if (this.#current === null && link.keyId !== this.#pinnedKeyId) {
      throw new DomainError(
        "untrusted-server",
        "the trust document is signed by another key than the pinned one: this is another domain, or a server that only claims to be yours",
      );
    }
    const document = openEnvelope<TrustDocument>("trust", link, signer);
    checkSuccession(this.#current, document);
    const before = this.#current?.document;
    this.#current = { document, hash: hashOf(link), link, signer };
    this.#recent = newest([...this.#recent, link]);
    if (before !== undefined && takesAway(before, document)) this.#closeBefore = document.epoch;
    return true;
  }

  /** Verifies and loads a host document; a lower version than the loaded one is passed over. */
  acceptHost(envelope: Envelope): boolean {
    const document = openEnvelope<HostDocument>(
      "host",
      envelope,
      this.#required().document.signingKey,
    );
    const loaded = this.#host?.document;
    if (
      document.domain !== this.#required().document.domain ||
      (loaded !== undefined && document.hostId !== loaded.hostId)
    ) {
      throw new DomainError(
        "signature-invalid",
        `the host document is that of ${document.hostId} in domain ${document.domain}`,
      );
    }
    if (loaded !== undefined && document.version <= loaded.version) return false;
    this.#host = { document, envelope };
    return true;
  }

  get document(): TrustDocument {
    return this.#required().document;
  }

  get host(): HostDocument | null {
    return this.#host?.document ?? null;
  }

  get epoch(): number {
    return this.#current?.document.epoch ?? 0;
  }

  /** Hex SHA-256 of the loaded document: with the epoch it names one link of one chain. */
  get hash(): string {
    return this.#required().hash;
  }

  /** Connections whose handshake was at a lower epoch than this rest on trust that was taken away. */
  get closeBefore(): number {
    return this.#closeBefore;
  }

  /** PEM of every CA trusted for a usage. Never empty: an empty list would mean the system's CAs. */
  anchorsPem(usage: AuthorityUsage): string[] {
    const pem = anchorsFor(this.document, usage).map((anchor) => anchor.certificatePem);
    if (pem.length === 0)
      throw new DomainError(
        "authority-unavailable",
        `no ${usage} CA is trusted at epoch ${this.epoch}`,
      );
    return pem;
  }

  /**
   * What a leaf of this authority is followed by on the wire: those between it and its authority, and
   * the cross-certificate, if in use.
   */
  chainPem(authorityId: string): string {
    const anchor = this.document.anchors.find((each) => each.authorityId === authorityId);
    return (anchor?.intermediatesPem ?? "") + (anchor?.crossCertificatePem ?? "");
  }

  #required(): Loaded {
    if (this.#current === null)
      throw new DomainError(
        "home-missing",
        "no trust document is loaded: join the host to a domain first",
      );
    return this.#current;
  }
}

/** As many of the last links as are kept. */
function newest(links: readonly Envelope[]): readonly Envelope[] {
  let length = 0;
  const tooMany = links.findLastIndex(
    ({ payload }, i) =>
      (length += payload.length) > recentLengthMax || links.length - i > recentMax,
  );
  return links.slice(Math.min(tooMany + 1, links.length - 1));
}

function openEnvelope<Document>(
  kind: "trust" | "host",
  envelope: Envelope,
  signer: string,
): Document {
  return JSON.parse(
    Buffer.from(verifyEnvelope(kind, envelope, Buffer.from(signer, "base64"))).toString("utf8"),
  ) as Document;
}

function hashOf(link: Envelope): string {
  return createHash("sha256").update(Buffer.from(link.payload, "base64")).digest("hex");
}

/** Does `next` trust less than `before`: an anchor or cross-certificate gone, or a denial more? */
function takesAway(before: TrustDocument, next: TrustDocument): boolean {
  const trustedBy = (document: TrustDocument): string[] =>
    document.anchors.flatMap((anchor) => [anchor.authorityId, anchor.crossCertificatePem ?? ""]);
  const kept = new Set(trustedBy(next));
  return (
    next.denied.length > before.denied.length ||
    trustedBy(before).some((name) => name !== "" && !kept.has(name))
  );
}
