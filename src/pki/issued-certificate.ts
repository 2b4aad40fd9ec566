import { certificateText } from "./certificate.ts";
import type { Certificate } from "./certificate.ts";
import type { CertificateDifference } from "./certificate-differences.ts";
import { formatTime } from "./civil-time.ts";
import type { CryptoPort } from "./crypto-port.ts";
import { formatName } from "./name-text.ts";
import { verifyPath } from "./path.ts";

/** A certificate that another CA returned, and what it is checked against. */
export interface IssuedCertificate {
  readonly certificate: Certificate;
  /** Whatever came with it, in any order. */
  readonly intermediates: readonly Certificate[];
  /** The authorities that the domain is to trust. */
  readonly anchors: readonly Certificate[];
  readonly atMs: number;
  /** It has to be valid for at least this long from `atMs`. */
  readonly lifetimeSecondsMin: number;
}

/**
 * What is wrong with the dates and the chain of a certificate that another CA returned: what no
 * request says. See `differencesFromRequest` for the rest.
 */
export function issuanceDifferences(
  issued: IssuedCertificate,
  crypto: Pick<CryptoPort, "verify">,
): CertificateDifference[] {
  return [...validityDifference(issued), ...chainDifference(issued, crypto)];
}

function validityDifference(issued: IssuedCertificate): CertificateDifference[] {
  const { certificate, atMs, lifetimeSecondsMin } = issued;
  const { notBeforeMs, notAfterMs } = certificate;
  const wantedUntilMs = atMs + lifetimeSecondsMin * 1000;
  const different = (wanted: string, got: string): CertificateDifference[] => [
    { field: "validity", wanted, got },
  ];
  if (atMs >= notAfterMs + 1000) {
    return different(`valid at ${formatTime(atMs)}`, `expired at ${formatTime(notAfterMs)}`);
  }
  if (atMs < notBeforeMs) {
    return different(`valid at ${formatTime(atMs)}`, `valid from ${formatTime(notBeforeMs)} only`);
  }
  return notAfterMs < wantedUntilMs
    ? different(
        `valid at least until ${formatTime(wantedUntilMs)}`,
        `valid until ${formatTime(notAfterMs)}`,
      )
    : [];
}

/** Rules that the leaf breaks by what it says itself, which the request is compared with. */
const leafRules = new Set(["key-usage", "extended-key-usage", "weak-key"]);

function chainDifference(
  issued: IssuedCertificate,
  crypto: Pick<CryptoPort, "verify">,
): CertificateDifference[] {
  const { certificate, intermediates, anchors, atMs } = issued;
  const { notBeforeMs, notAfterMs } = certificate;
  const result = verifyPath(
    {
      leaf: certificate,
      intermediates,
      anchors,
      // Its own dates are told apart from those of its chain.
      atMs: Math.min(Math.max(atMs, notBeforeMs), notAfterMs),
      purpose: "serverAuth",
    },
    crypto,
  );
  if (result.ok) return [];
  const { failure } = result;
  if (leafRules.has(failure.rule) && failure.certificate === certificateText(certificate)) {
    return [];
  }
  const names = anchors
    .map(({ subject }) => [subject, ...intermediates.map((each) => each.subject)])
    .map((chain) => chain.map((name) => formatName(name)).join(" by way of "))
    .join(" or ");
  return [
    {
      field: "chain",
      wanted: names === "" ? "a chain to an authority that is known" : `a chain to ${names}`,
      got: failure.message,
    },
  ];
}
