import { createHash, X509Certificate } from "node:crypto";
import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import {
  checkPeer,
  type CallerKind,
  type KnownProcess,
  type PeerCertificate,
  type PeerExpectation,
  type PeerVerdict,
  type Role,
} from "../domain/index.ts";
import { isProbeCertificate, oid, parseCertificate } from "../pki/index.ts";
import type { HostId } from "../kit/index.ts";
import type { LoadedTrust } from "./loaded-trust.ts";

/** What this side is, for the table of who may talk to whom; callers outside have no host. */
export interface Self {
  readonly role: CallerKind;
  readonly hostId: HostId | null;
}

/** Hex SHA-256 of bytes. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const roleOfUsage: Readonly<Record<string, Role>> = {
  [oid.nodeManager]: "nm",
  [oid.adminNodeManager]: "anm",
  [oid.gateway]: "gateway",
};

/** Reads what `checkPeer` looks at; null if the peer showed no certificate. */
export function readPeer(socket: TLSSocket): PeerCertificate | null {
  const detailed = socket.getPeerCertificate(true);
  if (detailed.raw === undefined) return null;
  return describePeer(detailed, socket.authorized ? null : String(socket.authorizationError));
}

/** The same from the certificate that `checkServerIdentity` is given, whose chain has verified. */
export function describePeer(
  detailed: DetailedPeerCertificate,
  chainFailure: string | null,
): PeerCertificate {
  const certificate = parseCertificate(new Uint8Array(detailed.raw));
  const usages = certificate.extensions.extendedKeyUsage ?? [];
  return {
    chainFailure,
    uris: (certificate.extensions.subjectAltName ?? []).flatMap((name) =>
      name.type === "uri" ? [name.value] : [],
    ),
    roles: usages.flatMap((usage) => roleOfUsage[usage] ?? []),
    keyFingerprint: sha256Hex(certificate.spki),
    certificateFingerprint: sha256Hex(detailed.raw),
    issuerFingerprints: issuersOf(detailed).map((issuer) => sha256Hex(issuer.raw)),
    notBeforeMs: certificate.notBeforeMs,
    notAfterMs: certificate.notAfterMs,
    isProbe: isProbeCertificate(certificate),
  };
}

const chainLengthMax = 8;

function issuersOf(leaf: DetailedPeerCertificate): DetailedPeerCertificate[] {
  const issuers: DetailedPeerCertificate[] = [];
  // The root names itself as its issuer; a missing issuer ends the chain.
  for (let at = leaf; issuers.length < chainLengthMax; at = at.issuerCertificate) {
    const issuer = at.issuerCertificate as DetailedPeerCertificate | undefined;
    if (issuer?.raw === undefined || issuer === at) break;
    issuers.push(issuer);
  }
  return issuers;
}

/** Serial number of the certificate that the peer showed, lower-case hexadecimal. */
export function serialOfPeer(socket: TLSSocket): string | null {
  const { raw } = socket.getPeerCertificate();
  return raw === undefined ? null : parseCertificate(new Uint8Array(raw)).serialHex;
}

/** Checks a peer against the loaded trust. `known`: the processes of the signed topology it may be. */
export function judgePeer(
  peer: PeerCertificate,
  trust: LoadedTrust,
  rest: Pick<PeerExpectation, "self" | "peerIs" | "expected" | "probe"> & {
    readonly known: readonly KnownProcess[];
    readonly nowMs: number;
  },
): PeerVerdict {
  return checkPeer(peer, {
    ...rest,
    trustDomain: trust.document.domain,
    denied: trust.document.denied,
  });
}

/** The fingerprint that people compare: hex SHA-256 of a CA certificate. */
export function fingerprintOfPem(pem: string): string {
  return sha256Hex(new X509Certificate(pem).raw);
}
