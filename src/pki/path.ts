import { bytesEqual } from "./bytes.ts";
import { certificateText } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { isNamedIssuer, isSignedBy } from "./issued-by.ts";
import { formatName } from "./name-text.ts";
import { namesEqual } from "./name.ts";
import { pathProblem } from "./path-rules.ts";
import type { PathPolicy, PathRule, Problem } from "./path-rules.ts";

export interface PathInput extends PathPolicy {
  readonly leaf: Certificate;
  /** What the peer sent besides its leaf, and what else is at hand; in any order. */
  readonly intermediates: readonly Certificate[];
  /** The authorities that are trusted. */
  readonly anchors: readonly Certificate[];
}

export type PathResult =
  /** `path` begins with the leaf and ends with the anchor. */
  | { readonly ok: true; readonly path: readonly Certificate[] }
  | { readonly ok: false; readonly failure: PathFailure };

/** The failure of the candidate path that came furthest. */
export interface PathFailure {
  /** Subject and serial of the certificate that breaks the rule. */
  readonly certificate: string;
  readonly rule: PathRule;
  /** One line: the certificate and what is wrong with it. */
  readonly message: string;
}

/** Certificates in a path, the anchor included. */
const pathLengthMax = 8;
/** Steps of the search; cross-certificates make few, only a hostile set of certificates makes many. */
const stepsMax = 200;

/**
 * Looks for a path from the leaf to an anchor that keeps every rule (RFC 5280 section 6, search as
 * in RFC 4158), trying all candidates, so that any of several roots and cross-certificates may do.
 */
export function verifyPath(input: PathInput, crypto: Pick<CryptoPort, "verify">): PathResult {
  const search = new PathSearch(input, crypto);
  const path = search.extend([input.leaf]);
  return path !== null ? { ok: true, path } : { ok: false, failure: search.failure() };
}

/** How far a failed path came; a later stage says more about what is really wrong. */
const stage = { limit: 0, unknownIssuer: 1, signature: 100, rules: 200 } as const;

class PathSearch {
  readonly #input: PathInput;
  readonly #crypto: Pick<CryptoPort, "verify">;
  #steps = 0;
  #best: { rank: number; certificate: Certificate; problem: Problem } | null = null;

  constructor(input: PathInput, crypto: Pick<CryptoPort, "verify">) {
    this.#input = input;
    this.#crypto = crypto;
  }

  /** The first good path that begins with `path`; null if there is none, and why is noted. */
  extend(path: readonly Certificate[]): readonly Certificate[] | null {
    const { anchors, intermediates } = this.#input;
    const last = path.at(-1) as Certificate;
    if (anchors.some((anchor) => bytesEqual(anchor.der, last.der))) {
      const problem = pathProblem(path, this.#input);
      if (problem === null) return path;
      this.#note(stage.rules + path.length - problem.index, path[problem.index] ?? last, problem);
    }
    if (path.length === pathLengthMax || this.#steps >= stepsMax) {
      const message = "the chain is longer or more branched than is searched";
      this.#note(stage.limit, last, { rule: "search-limit", message });
      return null;
    }
    const candidates = issuersOf(last, [...anchors, ...intermediates], path);
    if (candidates.length === 0) this.#noteUnknownIssuer(path, last);
    for (const candidate of candidates) {
      this.#steps++;
      if (this.#steps > stepsMax) break;
      if (!isSignedBy(last, candidate, this.#crypto)) {
        const message = `its signature was not made by ${certificateText(candidate)}`;
        this.#note(stage.signature + path.length, last, { rule: "signature", message });
        continue;
      }
      const found = this.extend([...path, candidate]);
      if (found !== null) return found;
    }
    return null;
  }

  failure(): PathFailure {
    const { certificate, problem } = this.#best ?? {
      certificate: this.#input.leaf,
      problem: { rule: "search-limit", message: "no path was found" },
    };
    const text = certificateText(certificate);
    return { certificate: text, rule: problem.rule, message: `${text}: ${problem.message}` };
  }

  #noteUnknownIssuer(path: readonly Certificate[], last: Certificate): void {
    const { anchors, intermediates } = this.#input;
    const isNamesake = [...anchors, ...intermediates].some(
      (each) => each !== last && namesEqual(each.subject, last.issuer),
    );
    const hint = isNamesake ? "; an authority of that name is known, but it has another key" : "";
    const message = `its issuer ${formatName(last.issuer)} is not trusted and was not sent${hint}`;
    this.#note(stage.unknownIssuer + path.length, last, { rule: "issuer-unknown", message });
  }

  #note(rank: number, certificate: Certificate, problem: Problem): void {
    if (this.#best === null || rank > this.#best.rank) this.#best = { rank, certificate, problem };
  }
}

/**
 * The certificates that can have issued `certificate` by name and key identifier, each once, and
 * none whose name and key are in `path` already (RFC 4158 5.2: no loops).
 */
function issuersOf(
  certificate: Certificate,
  known: readonly Certificate[],
  path: readonly Certificate[],
): Certificate[] {
  const found: Certificate[] = [];
  for (const candidate of known) {
    const fits =
      isNamedIssuer(certificate, candidate) &&
      !path.some((each) => isSameEntity(each, candidate)) &&
      !found.some((each) => bytesEqual(each.der, candidate.der));
    if (fits) found.push(candidate);
  }
  return found;
}

function isSameEntity(a: Certificate, b: Certificate): boolean {
  return bytesEqual(a.spki, b.spki) && namesEqual(a.subject, b.subject);
}
