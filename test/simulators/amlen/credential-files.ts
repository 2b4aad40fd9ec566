import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { builtInCertificate, builtInKey } from "./built-in-credentials.ts";
import type { ServerCfg } from "./server-cfg.ts";

/** What one kind of connection between members is made with, as read when the server started. */
export interface MemberCredentials {
  readonly source: "user provided" | "built-in";
  /** PEM: the leaf, and intermediates if the file has any. */
  readonly certificate: string;
  readonly key: string;
  /** PEM; empty when user provided credentials come without a CA: then nobody is trusted. */
  readonly trusted: readonly string[];
  /** PEM, for the accepting side. */
  readonly revocations: string | undefined;
}

/** The beginning of the file names of one kind of connection: case matters. */
export type CredentialKind = "HA" | "Cluster";

/**
 * Reads `<kind>_cert.pem` and `<kind>_key.pem` in KeyStore, and `<kind>_cafile.pem`, `<kind>_capath/` and
 * `<kind>_crl/crl.pem` in TrustedCertificateDir. Unless certificate and key can both be opened, the built-in
 * credentials are taken, and nothing says so.
 */
export function readMemberCredentials(cfg: ServerCfg, kind: CredentialKind): MemberCredentials {
  const certificate = contentOf(join(cfg.KeyStore, `${kind}_cert.pem`));
  const key = contentOf(join(cfg.KeyStore, `${kind}_key.pem`));
  if (certificate === undefined || key === undefined) {
    return {
      source: "built-in",
      certificate: builtInCertificate,
      key: builtInKey,
      trusted: [builtInCertificate],
      revocations: undefined,
    };
  }
  const truststore = cfg.TrustedCertificateDir;
  const authorities = contentOf(join(truststore, `${kind}_cafile.pem`));
  return {
    source: "user provided",
    certificate,
    key,
    trusted: [
      ...(authorities === undefined ? [] : [authorities]),
      ...hashedCertificates(join(truststore, `${kind}_capath`)),
    ],
    revocations: contentOf(join(truststore, `${kind}_crl`, "crl.pem")),
  };
}

/** OpenSSL finds certificates in a folder by the hash of their subject: other names do not count. */
function hashedCertificates(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^[0-9a-f]{8}\.\d+$/.test(name))
      .flatMap((name) => contentOf(join(folder, name)) ?? []);
  } catch {
    return [];
  }
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
