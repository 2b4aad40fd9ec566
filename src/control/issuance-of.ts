import type { Certificate } from "../pki/index.ts";
import { certificateFingerprint, formatName, spkiFingerprint } from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { Issuance } from "./ports.ts";

/** The log's record of a certificate that is at hand; of no sequence, as no host has taken it. */
export function issuanceOf(
  env: Pick<ControlEnvironment, "clock" | "crypto">,
  certificate: Certificate,
  of: Pick<Issuance, "authorityId" | "kind" | "credentialId">,
): Issuance {
  return {
    ...of,
    serial: certificate.serialHex,
    sequence: null,
    subject: formatName(certificate.subject),
    fingerprint: certificateFingerprint(certificate, env.crypto),
    spki: spkiFingerprint(certificate.spki, env.crypto),
    notBeforeMs: certificate.notBeforeMs,
    notAfterMs: certificate.notAfterMs,
    issuedAtMs: env.clock.nowMs(),
    der: certificate.der,
  };
}
