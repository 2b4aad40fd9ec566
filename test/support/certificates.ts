import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { generateKeyPair, nodeCryptoPort, signBytes } from "../../src/keys/index.ts";
import type { KeyAlgorithm, KeyPair } from "../../src/keys/index.ts";
import {
  authorityProfile,
  completeCertificate,
  completeRequest,
  parseCertificate,
  parseNameText,
  parseRequest,
  prepareCertificate,
  prepareRequest,
  processProfile,
  randomSerial,
} from "../../src/pki/index.ts";
import type {
  Certificate,
  CertificateRequest,
  CertificateTemplate,
  RequestTemplate,
} from "../../src/pki/index.ts";

export const testRng = { bytes: (length: number) => Uint8Array.from(randomBytes(length)) };

/** 2026-11-22T12:00:00Z */
export const testNowMs = 1_795_348_800_000;
export const dayMs = 86_400_000;

export interface TestAuthority {
  readonly keys: KeyPair;
  readonly certificate: Certificate;
}

/** A root of its own key, valid for ten years from a day before `testNowMs`. */
export async function testRoot(
  options: {
    subject?: string;
    algorithm?: KeyAlgorithm;
    pathLength?: number | null;
    template?: Partial<CertificateTemplate>;
  } = {},
): Promise<TestAuthority> {
  const { subject = "CN=Domain", algorithm = "ecdsa-p256", pathLength = null } = options;
  const keys = await generateKeyPair(algorithm);
  const template = testTemplate(keys.spki, {
    profile: authorityProfile("root", pathLength),
    subject: parseNameText(subject),
    subjectAltName: [],
    notAfterMs: testNowMs + 3650 * dayMs,
    ...options.template,
  });
  const ticket = prepareCertificate(template, { kind: "self", earlierRoots: [] }, nodeCryptoPort);
  const signature = signBytes(keys.privateKey, ticket.tbs, ticket.signatureAlgorithm);
  return { keys, certificate: parseCertificate(completeCertificate(ticket, signature)) };
}

/** A certificate for `spki` by `authority`: a Node Manager's for host-1, unless the changes say more. */
export function testCertificate(
  authority: TestAuthority,
  spki: Uint8Array,
  changes: Partial<CertificateTemplate> = {},
): Certificate {
  const issuer = { kind: "authority", certificate: authority.certificate } as const;
  const ticket = prepareCertificate(testTemplate(spki, changes), issuer, nodeCryptoPort);
  const signature = signBytes(authority.keys.privateKey, ticket.tbs, ticket.signatureAlgorithm);
  return parseCertificate(completeCertificate(ticket, signature));
}

/** The template that `testCertificate` begins with. */
export function testTemplate(
  spki: Uint8Array,
  changes: Partial<CertificateTemplate> = {},
): CertificateTemplate {
  return {
    profile: processProfile("nm"),
    serial: randomSerial(testRng),
    subject: parseNameText("CN=nodemanager-1,OU=group-1,DC=host-1"),
    spki,
    subjectAltName: [
      { type: "uri", value: "spiffe://domain.example/nm/host-1" },
      { type: "dns", value: "host-1" },
      { type: "ip", value: "127.0.0.1" },
    ],
    notBeforeMs: testNowMs - dayMs,
    notAfterMs: testNowMs + 30 * dayMs,
    ...changes,
  };
}

/** A request signed by `keys`, for the same names as `testTemplate`. */
export function testRequest(
  keys: KeyPair,
  changes: Partial<RequestTemplate> = {},
): CertificateRequest {
  const { subject, subjectAltName, profile } = testTemplate(keys.spki);
  const ticket = prepareRequest({ subject, subjectAltName, profile, spki: keys.spki, ...changes });
  const signature = signBytes(keys.privateKey, ticket.info, ticket.signatureAlgorithm);
  return parseRequest(completeRequest(ticket, signature));
}

/** Runs the openssl command and returns what it printed; throws, with its errors, if it fails. */
export function openssl(args: readonly string[], input?: string): string {
  return execFileSync("openssl", args, { encoding: "utf8", input, stdio: "pipe" });
}
