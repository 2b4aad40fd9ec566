import { createSecureContext, type SecureContext } from "node:tls";
import type { AuthorityUsage } from "../domain/index.ts";
import type { LoadedTrust } from "./loaded-trust.ts";

/** A key and certificate that a process presents. */
export interface Identity {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly authorityId: string;
  readonly serial: string;
}

/**
 * A TLS context of an identity under the loaded trust: the chain follows the trust document, so a
 * cross-certificate leaves the wire in the moment its document leaves the chain. `verify`: the
 * usage whose CAs the other side is verified with; null if it shows no certificate.
 */
export function contextOf(
  identity: Identity,
  trust: LoadedTrust,
  verify: AuthorityUsage | null,
): SecureContext {
  return createSecureContext(contextOptions(identity, trust, verify));
}

/** The same as options, for `setSecureContext`. */
export function contextOptions(
  identity: Identity,
  trust: LoadedTrust,
  verify: AuthorityUsage | null,
): { key: string; cert: string; ca?: string[]; minVersion: "TLSv1.2" | "TLSv1.3" } {
  const shared = {
    key: identity.keyPem,
    cert: identity.certificatePem + trust.chainPem(identity.authorityId),
  };
  return verify === null
    ? { ...shared, minVersion: "TLSv1.2" }
    : { ...shared, ca: trust.anchorsPem(verify), minVersion: "TLSv1.3" };
}
