import { randomBytes } from "node:crypto";
import { DomainError } from "../kit/index.ts";
import {
  parseName,
  parseRequest,
  prepareCertificate,
  randomSerial,
  verifyRequestSignature,
  type Certificate,
  type SigningTicket,
} from "../pki/index.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import type { WorkerJob } from "./signing-protocol.ts";

const rng = { bytes: (length: number) => Uint8Array.from(randomBytes(length)) };

/**
 * Everything of a certificate but its signature, for a request that proves its key. Throws
 * `signature-invalid`, `certificate-rejected`, `invalid-input`.
 */
export function prepareLeaf(
  job: Omit<WorkerJob, "authorityId">,
  issuer: Certificate,
): SigningTicket {
  const request = parseRequest(job.requestDer);
  if (!verifyRequestSignature(request, nodeCryptoPort)) {
    throw new DomainError(
      "signature-invalid",
      "the signature of the certificate request does not verify; make a new request",
    );
  }
  const { profile, subjectAltName, notBeforeMs, notAfterMs, isProbe } = job;
  return prepareCertificate(
    {
      profile,
      serial: randomSerial(rng),
      subject: job.subjectDer === null ? request.subject : parseName(job.subjectDer),
      spki: request.spki,
      subjectAltName,
      notBeforeMs,
      notAfterMs,
      isProbe,
    },
    { kind: "authority", certificate: issuer },
    nodeCryptoPort,
  );
}
