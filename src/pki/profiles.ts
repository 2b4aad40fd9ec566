import type { BasicConstraints, KeyUsage } from "./extensions.ts";
import { oid } from "./oid.ts";

/** What all certificates of one kind have in common. */
export interface CertificateProfile {
  readonly name: "root" | "cross-certificate" | "process" | "traffic" | "member";
  readonly basicConstraints: BasicConstraints;
  readonly keyUsage: readonly KeyUsage[];
  /** Dotted OIDs. */
  readonly extendedKeyUsage: readonly string[];
}

/** The role of a process, as it stands in its certificate: Admin Node Manager, Node Manager, gateway. */
export type CertificateRole = "anm" | "nm" | "gateway";

/** The custom extended key usages of each role: an Admin Node Manager is a Node Manager too. */
export const roleUsages: Readonly<Record<CertificateRole, readonly string[]>> = {
  anm: [oid.nodeManager, oid.adminNodeManager],
  nm: [oid.nodeManager],
  gateway: [oid.gateway],
};

const leafConstraints: BasicConstraints = { isAuthority: false, pathLength: null };

/**
 * A new root, self-signed, or the cross-certificate that says the same about its key and is signed
 * by another authority. `pathLength`: how many authorities may follow below. 0 is leaves only, so
 * that such a root can never sign the cross-certificate of its successor: use 1 or null for a root.
 */
export function authorityProfile(
  name: "root" | "cross-certificate",
  pathLength: number | null,
): CertificateProfile {
  return {
    name,
    basicConstraints: { isAuthority: true, pathLength },
    keyUsage: ["digitalSignature", "keyCertSign", "cRLSign"],
    extendedKeyUsage: [],
  };
}

/** The management identity of a process: both ends of mutual TLS, and its role. */
export function processProfile(role: CertificateRole): CertificateProfile {
  return {
    name: "process",
    basicConstraints: leafConstraints,
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.serverAuth, oid.clientAuth, ...roleUsages[role]],
  };
}

/** The traffic credential of an instance: a TLS server for its DNS names. */
export const trafficProfile: CertificateProfile = {
  name: "traffic",
  basicConstraints: leafConstraints,
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: [oid.serverAuth],
};

/** A member of a service: a TLS server for its names, and a client of the other members. */
export const memberProfile: CertificateProfile = {
  name: "member",
  basicConstraints: leafConstraints,
  keyUsage: ["digitalSignature"],
  extendedKeyUsage: [oid.serverAuth, oid.clientAuth],
};
