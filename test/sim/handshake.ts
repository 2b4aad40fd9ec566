import { toHex } from "../../src/kit/index.ts";
import {
  anchorsFor,
  checkPeer,
  type AuthorityUsage,
  type CallerKind,
  type KnownProcess,
  type PeerVerdict,
  type TrustDocument,
} from "../../src/domain/index.ts";
import { nodeCryptoPort } from "../../src/keys/index.ts";
import {
  certificateFingerprint,
  nameKey,
  parseCertificate,
  parseCertificatesPem,
  verifyPath,
  type Certificate,
} from "../../src/pki/index.ts";
import type { HostId } from "../../src/kit/index.ts";
import type { Leaf, Presented } from "./leaf.ts";
import type { Documents } from "./trust-state.ts";

/** What a presenter puts on the wire: its leaf, and the cross-certificate that its own trust names. */
export interface Shown {
  readonly leaf: Leaf;
  readonly extraPem: string;
}

export function shownBy(presented: Presented, own: Documents): Shown {
  const anchor = own.trust.anchors.find(
    (candidate) => candidate.authorityId === presented.authorityId,
  );
  return { leaf: presented.leaf, extraPem: anchor?.crossCertificatePem ?? "" };
}

export type ChainVerdict =
  | { readonly ok: true; readonly issuerFingerprints: readonly string[] }
  | { readonly ok: false; readonly failure: string };

/** Does the chain lead to an anchor of this trust document? Real certificates by `verifyPath`. */
export function checkChain(
  shown: Shown,
  trust: TrustDocument,
  usage: AuthorityUsage,
  nowMs: number,
): ChainVerdict {
  const anchors = anchorsFor(trust, usage).map((anchor) => onlyOf(anchor.certificatePem));
  const extra = shown.extraPem === "" ? [] : [onlyOf(shown.extraPem)];
  if (shown.leaf.der !== null) return realChain(shown.leaf.der, anchors, extra, nowMs);
  const issuer = onlyOf(shown.leaf.issuerPem);
  const direct = anchors.find((anchor) => anchor.fingerprint === issuer.fingerprint);
  if (direct !== undefined) return { ok: true, issuerFingerprints: [direct.fingerprint] };
  for (const cross of extra) {
    const signer = anchors.find((anchor) => isIssuedBy(cross, anchor));
    if (cross.keyId === issuer.keyId && cross.name === issuer.name && signer !== undefined)
      return { ok: true, issuerFingerprints: [cross.fingerprint, signer.fingerprint] };
  }
  return { ok: false, failure: `no way from ${issuer.name} to a trusted CA` };
}

interface Ca {
  readonly certificate: Certificate;
  readonly fingerprint: string;
  readonly name: string;
  readonly issuerName: string;
  readonly keyId: string;
  readonly issuerKeyId: string;
}

const cas = new Map<string, Ca>();

function onlyOf(pem: string): Ca {
  const known = cas.get(pem);
  if (known !== undefined) return known;
  const [certificate] = parseCertificatesPem(pem);
  if (certificate === undefined) throw new Error("there is no certificate in the PEM text");
  const { subject, issuer, extensions } = certificate;
  const ca = {
    certificate,
    fingerprint: certificateFingerprint(certificate, nodeCryptoPort),
    name: nameKey(subject),
    issuerName: nameKey(issuer),
    keyId: toHex(extensions.subjectKeyId ?? new Uint8Array()),
    issuerKeyId: toHex(extensions.authorityKeyId?.keyId ?? new Uint8Array()),
  };
  cas.set(pem, ca);
  return ca;
}

function isIssuedBy(certificate: Ca, issuer: Ca): boolean {
  return certificate.issuerName === issuer.name && certificate.issuerKeyId === issuer.keyId;
}

const realVerdicts = new WeakMap<Uint8Array, Map<string, ChainVerdict>>();

/** Each chain is verified once: nothing expires while a run with real certificates lasts. */
function realChain(
  der: Uint8Array,
  anchors: readonly Ca[],
  extra: readonly Ca[],
  nowMs: number,
): ChainVerdict {
  const known = realVerdicts.get(der) ?? new Map<string, ChainVerdict>();
  realVerdicts.set(der, known);
  const key = JSON.stringify([anchors, extra].map((list) => list.map((ca) => ca.fingerprint)));
  const verdict = known.get(key) ?? verifyRealChain(der, anchors, extra, nowMs);
  known.set(key, verdict);
  return verdict;
}

function verifyRealChain(
  der: Uint8Array,
  anchors: readonly Ca[],
  extra: readonly Ca[],
  nowMs: number,
): ChainVerdict {
  const result = verifyPath(
    {
      leaf: parseCertificate(der),
      intermediates: extra.map((ca) => ca.certificate),
      anchors: anchors.map((ca) => ca.certificate),
      atMs: nowMs,
      purpose: "serverAuth",
      allowProbe: true,
    },
    nodeCryptoPort,
  );
  if (!result.ok) return { ok: false, failure: result.failure.message };
  const issuers = result.path.slice(1);
  return {
    ok: true,
    issuerFingerprints: issuers.map((issuer) => certificateFingerprint(issuer, nodeCryptoPort)),
  };
}

/** Who verifies, with which documents in force, and whom it may meet. */
export interface Verifier {
  readonly role: CallerKind;
  readonly hostId: HostId | null;
  readonly inForce: Documents;
  readonly known: readonly KnownProcess[];
}

export interface Question {
  readonly peerIs: "client" | "server";
  readonly expected: KnownProcess["id"] | null;
  readonly probe: boolean;
  readonly nowMs: number;
}

/** One side's whole verdict in a full handshake: the chain, then the real `checkPeer`. */
export function judge(verifier: Verifier, shown: Shown, question: Question): PeerVerdict {
  const { trust } = verifier.inForce;
  const chain = checkChain(shown, trust, "management", question.nowMs);
  return checkPeer(
    {
      ...shown.leaf,
      chainFailure: chain.ok ? null : chain.failure,
      issuerFingerprints: chain.ok ? chain.issuerFingerprints : [],
    },
    {
      ...question,
      trustDomain: trust.domain,
      known: verifier.known,
      denied: trust.denied,
      self: { role: verifier.role, hostId: verifier.hostId },
    },
  );
}
