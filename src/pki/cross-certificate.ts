import type { Certificate } from "./certificate.ts";
import type { CertificateTemplate } from "./certificate-build.ts";
import { authorityProfile } from "./profiles.ts";

/**
 * The template of the cross-certificate by which `issuer`, the old authority, vouches for
 * `newRoot`: its name, key and key identifier, so that a chain below the new root continues to the
 * old one. It ends when the first of the two does. An issuer whose path length is 0 cannot sign one.
 */
export function crossCertificateTemplate(
  newRoot: Certificate,
  issuer: Certificate,
  { serial, notBeforeMs }: { serial: Uint8Array; notBeforeMs: number },
): CertificateTemplate {
  const { subject, spki, extensions } = newRoot;
  const lengths = [
    extensions.basicConstraints?.pathLength ?? Number.POSITIVE_INFINITY,
    (issuer.extensions.basicConstraints?.pathLength ?? Number.POSITIVE_INFINITY) - 1,
  ];
  const length = Math.max(0, Math.min(...lengths));
  return {
    profile: authorityProfile("cross-certificate", Number.isFinite(length) ? length : null),
    serial,
    subject,
    spki,
    subjectAltName: [],
    notBeforeMs,
    notAfterMs: Math.min(newRoot.notAfterMs, issuer.notAfterMs),
    ...(extensions.subjectKeyId === null ? {} : { subjectKeyId: extensions.subjectKeyId }),
  };
}
