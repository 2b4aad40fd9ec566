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
  const options = contextOptions(identity, trust, verify);
  const basis = basisOf(options);
  const known = contexts.get(identity);
  if (known?.basis === basis) return known.context;
  const context = createSecureContext(options);
  contexts.set(identity, { basis, context });
  return context;
}

/** Making a context costs as much as half a handshake: the last one of each identity is kept. */
const contexts = new WeakMap<Identity, { basis: string; context: SecureContext }>();

/** Equal for options that make equal contexts. */
export function basisOf(options: ReturnType<typeof contextOptions>): string {
  return JSON.stringify([options.cert, options.ca, options.minVersion]);
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
