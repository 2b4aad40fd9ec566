import { bytesEqual } from "./bytes.ts";
import { certificateText, isAuthorityCertificate, isSelfIssued } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import { formatTime } from "./civil-time.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { isKnownExtension } from "./extensions.ts";
import { isSignedBy } from "./issued-by.ts";
import { constraintProblem } from "./name-constraints.ts";
import { formatName } from "./name-text.ts";
import { namesEqual } from "./name.ts";
import type { GeneralName } from "./general-name.ts";
import { oid, usageName } from "./oid.ts";
import { publicKeyText } from "./public-key.ts";

/** What can be wrong with an authority that somebody brings. */
type AuthorityProblemCode =
  | "not-an-authority"
  | "key-usage"
  | "expired"
  | "not-yet-valid"
  | "path-length"
  | "name-constraints"
  | "extended-key-usage"
  | "critical-extension"
  | "weak-key"
  | "weak-signature"
  | "wrong-signature"
  | "no-root"
  | "name-taken";

export interface AuthorityProblem {
  readonly code: AuthorityProblemCode;
  /** One line: which certificate, what is wrong with it, and what to do. */
  readonly message: string;
  /** The leaves that would not be accepted, by the names they were given with. */
  readonly breaks: readonly string[];
}

/** A certificate that the authority will have to issue. */
export interface NeededLeaf {
  /** `nodemanager-1`, `instance-2`: how it is called in a message. */
  readonly name: string;
  readonly subjectAltName: readonly GeneralName[];
  /** Dotted OIDs. */
  readonly extendedKeyUsage: readonly string[];
}

export interface AuthorityInput {
  /** The authority first, then its issuers in order, the root last. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** The authorities that the domain has or had. */
  readonly earlier: readonly Certificate[];
  readonly leaves: readonly NeededLeaf[];
  readonly atMs: number;
}

/**
 * Everything that keeps an authority from issuing what the domain needs (RFC 5280 section 6, for
 * its whole chain), each told apart; an empty list if it will do.
 */
export function authorityProblems(
  input: AuthorityInput,
  crypto: Pick<CryptoPort, "verify">,
): AuthorityProblem[] {
  const { chain, leaves } = input;
  const everything = leaves.map(({ name }) => name);
  const ofAll = chain.flatMap((certificate, index) => [
    ...certificateProblems(certificate, input.atMs),
    ...pathLengthProblem(chain, index),
    ...signatureProblems(chain, index, crypto),
  ]);
  const whole = [...ofAll, ...rootProblem(chain), ...nameTaken(input)];
  return [
    ...whole.map((problem) => ({ ...problem, breaks: everything })),
    ...chain.flatMap((certificate) => usageProblems(certificate, leaves)),
    ...chain.flatMap((certificate) => constraintProblems(certificate, leaves)),
  ];
}

type Problem = Omit<AuthorityProblem, "breaks">;

const modulusBitsMin = 2048;

function certificateProblems(certificate: Certificate, atMs: number): Problem[] {
  const { extensions, publicKey, notBeforeMs, notAfterMs } = certificate;
  const text = certificateText(certificate);
  const problems: Problem[] = [];
  const add = (code: AuthorityProblemCode, message: string): void => {
    problems.push({ code, message: `${text} ${message}` });
  };
  if (!isAuthorityCertificate(certificate)) {
    add("not-an-authority", "is no certificate authority (no CA:TRUE in its basic constraints)");
  }
  if (extensions.keyUsage?.includes("keyCertSign") === false) {
    add(
      "key-usage",
      `may not sign certificates: its key usage is ${extensions.keyUsage.join(", ")}`,
    );
  }
  if (atMs >= notAfterMs + 1000) add("expired", `expired at ${formatTime(notAfterMs)}`);
  if (atMs < notBeforeMs) add("not-yet-valid", `is not valid before ${formatTime(notBeforeMs)}`);
  const unknown = extensions.raw.find((each) => each.critical && !isKnownExtension(each.oid));
  if (unknown !== undefined) {
    add(
      "critical-extension",
      `has a critical extension ${unknown.oid} that nobody here understands`,
    );
  }
  const isWeak = publicKey.kind === "rsa" && publicKey.modulusBits < modulusBitsMin;
  if (isWeak || publicKey.kind === "other") {
    add("weak-key", `has a key (${publicKeyText(publicKey)}) that is not accepted`);
  }
  return problems;
}

/** Authorities that are below the one at `index`, and that are not another form of their issuer. */
function pathLengthProblem(chain: readonly Certificate[], index: number): Problem[] {
  const certificate = chain[index] as Certificate;
  const allowed = certificate.extensions.basicConstraints?.pathLength ?? null;
  const below = chain.slice(0, index).filter((each) => !isSelfIssued(each));
  if (allowed === null || below.length <= allowed) return [];
  const names = below.map(({ subject }) => formatName(subject)).join(" and ");
  return [
    {
      code: "path-length",
      message:
        `${certificateText(certificate)} allows ${allowed} authorities below it (path length), ` +
        `and there ${below.length === 1 ? "is" : "are"} ${below.length}: ${names}`,
    },
  ];
}

/** That a root signed itself is no evidence, so that its algorithm does not matter. */
function signatureProblems(
  chain: readonly Certificate[],
  index: number,
  crypto: Pick<CryptoPort, "verify">,
): Problem[] {
  const certificate = chain[index] as Certificate;
  const issuer = chain[index + 1];
  if (issuer === undefined) return [];
  const text = certificateText(certificate);
  if (certificate.signatureAlgorithm === null) {
    const algorithm = signatureText(certificate.signatureAlgorithmOid);
    return [{ code: "weak-signature", message: `${text} is signed by ${algorithm}` }];
  }
  return isSignedBy(certificate, issuer, crypto)
    ? []
    : [
        {
          code: "wrong-signature",
          message: `${text} was not signed by the key of ${certificateText(issuer)}`,
        },
      ];
}

function signatureText(algorithm: string): string {
  const isSha1 = algorithm === oid.rsaSha1 || algorithm === oid.ecdsaSha1;
  return isSha1 ? "SHA-1, which can be forged" : `an algorithm (${algorithm}) that is not accepted`;
}

function rootProblem(chain: readonly Certificate[]): Problem[] {
  const last = chain.at(-1) as Certificate;
  if (isSelfIssued(last)) return [];
  const issuer = formatName(last.issuer);
  return [
    {
      code: "no-root",
      message: `${certificateText(last)} was issued by ${issuer}, whose certificate is missing: add it`,
    },
  ];
}

function nameTaken({ chain, earlier }: AuthorityInput): Problem[] {
  const [authority] = chain;
  const namesake = earlier.find(
    ({ subject, spki }) =>
      namesEqual(subject, authority.subject) && !bytesEqual(spki, authority.spki),
  );
  if (namesake === undefined) return [];
  return [
    {
      code: "name-taken",
      message:
        `${certificateText(authority)} has the name of ${certificateText(namesake)}, an authority ` +
        "of this domain with another key: nobody could tell their certificates apart",
    },
  ];
}

function usageProblems(
  certificate: Certificate,
  leaves: readonly NeededLeaf[],
): AuthorityProblem[] {
  const allowed = certificate.extensions.extendedKeyUsage;
  if (allowed === null || allowed.includes(oid.anyExtendedKeyUsage)) return [];
  const lacks = (leaf: NeededLeaf): string[] =>
    leaf.extendedKeyUsage.filter((usage) => !allowed.includes(usage));
  const broken = leaves.filter((leaf) => lacks(leaf).length > 0);
  if (broken.length === 0) return [];
  const missing = [...new Set(broken.flatMap(lacks))].map(usageName).join(", ");
  return [
    {
      code: "extended-key-usage",
      message: `${certificateText(certificate)} may not issue for ${missing} (its extended key usage)`,
      breaks: broken.map(({ name }) => name),
    },
  ];
}

function constraintProblems(
  certificate: Certificate,
  leaves: readonly NeededLeaf[],
): AuthorityProblem[] {
  const constraints = certificate.extensions.nameConstraints;
  if (constraints === null) return [];
  const reasons = new Set<string>();
  const broken = leaves.filter(({ subjectAltName }) => {
    const found = subjectAltName
      .map((name) => constraintProblem(name, constraints))
      .filter((reason) => reason !== null);
    for (const reason of found) reasons.add(reason);
    return found.length > 0;
  });
  if (broken.length === 0) return [];
  return [
    {
      code: "name-constraints",
      message: `${certificateText(certificate)} forbids names: ${[...reasons].join("; ")}`,
      breaks: broken.map(({ name }) => name),
    },
  ];
}
