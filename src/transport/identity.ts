import { createSecureContext, type SecureContext } from "node:tls";
import { join } from "node:path";
import { DomainError } from "../kit/index.ts";
import type { AuthorityUsage } from "../domain/index.ts";
import { keyPairOf, KeyProtection, privateKeyToPem, readCurrent } from "../keys/index.ts";
import { bytesEqual, parseCertificatesPem, type Certificate } from "../pki/index.ts";
import type { LoadedTrust } from "./loaded-trust.ts";

/** A key and certificate that a process presents; the key is not encrypted, and in memory alone. */
export interface Identity {
  readonly keyPem: string;
  readonly certificatePem: string;
  readonly authorityId: string;
  readonly serial: string;
}

/**
 * The identity in a credential folder, or null before its first generation. Throws `state-corrupt`
 * for what cannot be presented, `forbidden` for a key that others can read, `unauthenticated` for one
 * that `keys` does not open.
 */
export async function readIdentity(
  folder: string,
  keys = new KeyProtection(),
): Promise<Identity | null> {
  const generation = await readCurrent(folder);
  if (generation === null) return null;
  const { certificatePem, meta } = generation;
  const corrupt = (file: string, problem: string, cause?: unknown): DomainError =>
    new DomainError(
      "state-corrupt",
      `${join(folder, "current", file)} ${problem}: restore it from a backup, or join the host again`,
      { cause },
    );
  const privateKey = await keys.read(join(folder, "current", "key.pem"));
  const { spki } = keyPairOf(privateKey);
  let leaf: Certificate | undefined;
  try {
    [leaf] = parseCertificatesPem(certificatePem);
  } catch (cause) {
    throw corrupt("certificate.pem", "is not a certificate", cause);
  }
  if (leaf === undefined) throw corrupt("certificate.pem", "is not a certificate");
  if (!bytesEqual(leaf.spki, spki)) throw corrupt("certificate.pem", "is for another key");
  const { authorityId } = meta;
  if (typeof authorityId !== "string") throw corrupt("meta.json", "names no authority");
  const keyPem = privateKeyToPem(privateKey);
  return { keyPem, certificatePem, authorityId, serial: leaf.serialHex };
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
