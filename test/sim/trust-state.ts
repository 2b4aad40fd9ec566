import { hash } from "node:crypto";
import {
  checkSuccession,
  type Envelope,
  type HostDocument,
  type TrustDocument,
} from "../../src/domain/index.ts";
import { assert } from "../../src/kit/index.ts";
import { LoadedTrust } from "../../src/transport/index.ts";

/** The signed documents that a process goes by at one moment. */
export interface Documents {
  readonly trust: TrustDocument;
  readonly host: HostDocument | null;
}

/** What a process has loaded: `LoadedTrust`, or the same rules without signatures. */
export interface TrustState {
  accept(links: readonly Envelope[]): boolean;
  acceptHost(envelope: Envelope): boolean;
  readonly epoch: number;
  /** Connections from before this epoch rest on trust that was taken away. */
  readonly closeBefore: number;
  /** The same as a value that does not change any more. */
  documents(): Documents;
  /** The same again, as written to a file and read from it. */
  copy(): TrustState;
}

/** The real one, signatures and all. */
export class RealTrust implements TrustState {
  readonly #trust: LoadedTrust;
  #documents: Documents | null = null;

  constructor(trust: LoadedTrust) {
    this.#trust = trust;
  }

  accept(links: readonly Envelope[]): boolean {
    return this.#trust.accept(links);
  }

  acceptHost(envelope: Envelope): boolean {
    return this.#trust.acceptHost(envelope);
  }

  get epoch(): number {
    return this.#trust.epoch;
  }

  get closeBefore(): number {
    return this.#trust.closeBefore;
  }

  documents(): Documents {
    const { document, host } = this.#trust;
    if (this.#documents?.trust !== document || this.#documents.host !== host)
      this.#documents = { trust: document, host };
    return this.#documents;
  }

  copy(): TrustState {
    return new RealTrust(LoadedTrust.restore(this.#trust.save()));
  }
}

/** The rules of `LoadedTrust` without signatures, for thousands of runs. */
export class SymbolicTrust implements TrustState {
  #link: { document: TrustDocument; hash: string } | null = null;
  #host: HostDocument | null = null;
  #closeBefore = 0;
  #documents: Documents | null = null;

  accept(links: readonly Envelope[]): boolean {
    let changed = false;
    for (const link of links) {
      const next = openOnce<TrustDocument>(link);
      if (next.document.epoch <= this.epoch) continue;
      checkSuccession(this.#link, next.document);
      if (this.#link !== null && takesAway(this.#link.document, next.document))
        this.#closeBefore = next.document.epoch;
      this.#link = next;
      this.#documents = null;
      changed = true;
    }
    return changed;
  }

  acceptHost(envelope: Envelope): boolean {
    const { document } = openOnce<HostDocument>(envelope);
    if (this.#host !== null && document.version <= this.#host.version) return false;
    this.#host = document;
    this.#documents = null;
    return true;
  }

  get epoch(): number {
    return this.#link?.document.epoch ?? 0;
  }

  get closeBefore(): number {
    return this.#closeBefore;
  }

  documents(): Documents {
    assert(this.#link !== null, "a process loads trust before it starts");
    this.#documents ??= { trust: this.#link.document, host: this.#host };
    return this.#documents;
  }

  copy(): TrustState {
    const copied = new SymbolicTrust();
    copied.#link = this.#link;
    copied.#host = this.#host;
    copied.#closeBefore = this.#closeBefore;
    return copied;
  }
}

const opened = new WeakMap<Envelope, { document: unknown; hash: string }>();

function openOnce<Document>(envelope: Envelope): { document: Document; hash: string } {
  let known = opened.get(envelope);
  if (known === undefined) {
    const payload = Buffer.from(envelope.payload, "base64");
    known = { document: JSON.parse(payload.toString("utf8")), hash: hash("sha256", payload) };
    opened.set(envelope, known);
  }
  return known as { document: Document; hash: string };
}

/** As in `LoadedTrust`: an anchor or cross-certificate gone, or a denial more. */
function takesAway(before: TrustDocument, next: TrustDocument): boolean {
  const chains = (document: TrustDocument): string[] =>
    document.anchors.flatMap((anchor) => [anchor.certificatePem, anchor.crossCertificatePem ?? ""]);
  const kept = new Set(chains(next));
  return (
    next.denied.length > before.denied.length ||
    chains(before).some((pem) => pem !== "" && !kept.has(pem))
  );
}
