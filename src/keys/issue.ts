import type { KeyObject } from "node:crypto";
import { assert } from "../kit/index.ts";
import {
  bytesEqual,
  completeCertificate,
  completeRequest,
  encodePem,
  parseCertificate,
  parseNameText,
  parseRequest,
  prepareCertificate,
  prepareRequest,
} from "../pki/index.ts";
import type {
  Certificate,
  CertificateRequest,
  CertificateTemplate,
  Issuer,
  RequestTemplate,
} from "../pki/index.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import { keySigner, type Signer } from "./signer.ts";

/**
 * Builds, lints and signs one certificate. `signer` must hold the issuer's key. A DomainError
 * `certificate-rejected` if it breaks a rule. For many certificates see `createSigningPool`.
 */
export async function issueCertificate(
  template: CertificateTemplate,
  issuer: Issuer,
  signer: Signer,
): Promise<Certificate> {
  const issuerSpki = issuer.kind === "authority" ? issuer.certificate.spki : template.spki;
  assert(bytesEqual(signer.spki, issuerSpki), "the signer holds the issuer's key");
  const ticket = prepareCertificate(template, issuer, nodeCryptoPort);
  const signature = await signer.sign(ticket.tbs, ticket.signatureAlgorithm);
  return parseCertificate(completeCertificate(ticket, signature));
}

/** Builds and signs a certificate request for the signer's own key. */
export async function issueRequest(
  template: Omit<RequestTemplate, "spki">,
  signer: Signer,
): Promise<CertificateRequest> {
  const ticket = prepareRequest({ ...template, spki: signer.spki });
  return parseRequest(completeRequest(ticket, await signer.sign(ticket.info)));
}

/**
 * A request (PKCS#10, PEM) that proves a key. It asks for no names, since its issuer knows them,
 * unless `asks` says what an issuer that knows nothing has to copy.
 */
export async function requestForKey(
  privateKey: KeyObject,
  subject: string,
  asks: Pick<RequestTemplate, "subjectAltName" | "profile"> = { subjectAltName: [], profile: null },
): Promise<string> {
  const request = await issueRequest(
    { subject: parseNameText(subject), ...asks },
    keySigner(privateKey),
  );
  return encodePem("CERTIFICATE REQUEST", request.der);
}
