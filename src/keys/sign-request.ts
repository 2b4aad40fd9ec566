import { randomBytes } from "node:crypto";
import { DomainError } from "../kit/index.ts";
import {
  formatGeneralName,
  parseRequestPem,
  randomSerial,
  verifyRequestSignature,
  type Certificate,
} from "../pki/index.ts";
import { issueCertificate } from "./issue.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import type { Signer } from "./signer.ts";

/** Leaves that do not renew themselves are to last: as long as public CAs ever allowed. */
export const unattendedLifetimeSeconds = 825 * 86_400;

/** Certificates are valid from this long before their signing, for clocks that run late. */
const backdateMs = 3_600_000;

/**
 * Signs what a request asks for, with a CA whose key is at hand: all its names and usages, and never
 * a CA. The certificate ends with its issuer at the latest. Throws `signature-invalid` for a request
 * that does not prove its key, `certificate-rejected` for what breaks a rule.
 */
export async function signRequest(
  requestPem: string,
  issuer: { readonly certificate: Certificate; readonly signer: Signer },
  lifetimeSeconds: number,
): Promise<Certificate> {
  const request = parseRequestPem(requestPem);
  if (!verifyRequestSignature(request, nodeCryptoPort))
    throw new DomainError("signature-invalid", "the signature of the request does not verify");
  const { subject, spki, extensions } = request;
  if (extensions.basicConstraints?.isAuthority === true)
    throw new DomainError(
      "certificate-rejected",
      `the request asks for a CA, named ${(extensions.subjectAltName ?? []).map(formatGeneralName).join()}: only certificates of processes are signed`,
    );
  const nowMs = Math.floor(Date.now() / 1000) * 1000;
  const { certificate } = issuer;
  return issueCertificate(
    {
      profile: {
        name: "process",
        basicConstraints: { isAuthority: false, pathLength: null },
        keyUsage: extensions.keyUsage ?? ["digitalSignature"],
        extendedKeyUsage: extensions.extendedKeyUsage ?? [],
      },
      serial: randomSerial({ bytes: (length) => Uint8Array.from(randomBytes(length)) }),
      subject,
      spki,
      subjectAltName: extensions.subjectAltName ?? [],
      notBeforeMs: Math.max(nowMs - backdateMs, certificate.notBeforeMs),
      notAfterMs: Math.min(nowMs + lifetimeSeconds * 1000, certificate.notAfterMs),
    },
    { kind: "authority", certificate },
    issuer.signer,
  );
}
