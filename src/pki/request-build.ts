import { DomainError } from "../kit/index.ts";
import { contextConstructed, derTag } from "./der-tags.ts";
import * as der from "./der-write.ts";
import type { GeneralName } from "./general-name.ts";
import { writeExtensions } from "./extensions-write.ts";
import { keyProblem } from "./lint/key-strength.ts";
import { isEmptyName } from "./name.ts";
import type { Name } from "./name.ts";
import { oid } from "./oid.ts";
import type { CertificateProfile } from "./profiles.ts";
import { describePublicKey } from "./public-key.ts";
import { algorithmIdentifier, defaultSignatureAlgorithm } from "./signature-algorithm.ts";
import type { SignatureAlgorithm } from "./signature-algorithm.ts";

/** What a request asks for. */
export interface RequestTemplate {
  readonly subject: Name;
  /** SubjectPublicKeyInfo of the requester, DER. */
  readonly spki: Uint8Array;
  readonly subjectAltName: readonly GeneralName[];
  /** Asks for this profile's key usages; null asks for no more than the names. */
  readonly profile: CertificateProfile | null;
}

/** A request that waits for its signature. `completeRequest` takes each ticket once. */
export interface RequestTicket {
  /** CertificationRequestInfo: what the requester's key has to sign. */
  readonly info: Uint8Array;
  readonly signatureAlgorithm: SignatureAlgorithm;
}

const openTickets = new WeakSet<RequestTicket>();

/** Builds a PKCS#10 request (RFC 2986); a DomainError `certificate-rejected` for a weak key. */
export function prepareRequest(template: RequestTemplate): RequestTicket {
  const { subject, spki, subjectAltName, profile } = template;
  const publicKey = describePublicKey(spki);
  const problem = keyProblem(publicKey);
  if (problem !== null)
    throw new DomainError("certificate-rejected", `no request is made: ${problem}`);
  const extensions = writeExtensions({
    basicConstraints: profile?.basicConstraints ?? null,
    keyUsage: profile?.keyUsage ?? [],
    extendedKeyUsage: profile?.extendedKeyUsage ?? [],
    subjectAltName,
    subjectAltNameCritical: isEmptyName(subject),
    subjectKeyId: null,
    authorityKeyId: null,
    isProbe: false,
  });
  const attribute = der.sequence(
    der.objectIdentifier(oid.extensionRequest),
    der.constructed(derTag.set, [extensions]),
  );
  const info = der.encode(
    der.sequence(
      der.smallInteger(0),
      der.raw(subject.der),
      der.raw(spki),
      der.constructed(contextConstructed(0), [attribute]),
    ),
  );
  const ticket: RequestTicket = { info, signatureAlgorithm: defaultSignatureAlgorithm(publicKey) };
  openTickets.add(ticket);
  return ticket;
}

/** The request (DER) from a ticket and the signature over its `info`. */
export function completeRequest(ticket: RequestTicket, signature: Uint8Array): Uint8Array {
  if (!openTickets.delete(ticket)) {
    throw new Error("invariant broken: a request ticket is from prepareRequest and used once");
  }
  return der.encode(
    der.sequence(
      der.raw(ticket.info),
      der.raw(algorithmIdentifier(ticket.signatureAlgorithm)),
      der.wholeBitString(signature),
    ),
  );
}
