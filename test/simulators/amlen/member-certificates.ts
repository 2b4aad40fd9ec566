import { generateKeyPair, type KeyAlgorithm } from "../../../src/keys/index.ts";
import { encodePem, parseNameText } from "../../../src/pki/index.ts";
import {
  dayMs,
  testCertificate,
  testRoot,
  type TestAuthority,
} from "../../support/certificates.ts";

/** PEM, as the files of a member have it. */
export interface MemberLeaf {
  readonly certificate: string;
  readonly key: string;
}

/** A CA for members, and what it signs. */
export interface MemberAuthority {
  /** PEM. */
  readonly certificate: string;
  readonly leaf: (name: string, changes?: LeafChanges) => Promise<MemberLeaf>;
}

interface LeafChanges {
  readonly algorithm?: KeyAlgorithm;
  /** 30 days from now unless said. */
  readonly notAfterMs?: number;
}

export async function memberAuthority(name: string): Promise<MemberAuthority> {
  const authority = await currentRoot(name);
  return {
    certificate: encodePem("CERTIFICATE", authority.certificate.der),
    leaf: (leafName, changes) => signLeaf(authority, leafName, changes),
  };
}

/** A certificate that is its own issuer, as `openssl req -x509` makes one. */
export async function selfSignedLeaf(name: string): Promise<MemberLeaf> {
  const { certificate, keys } = await currentRoot(name);
  return pemPair(certificate.der, keys.privateKey);
}

async function currentRoot(name: string): Promise<TestAuthority> {
  const template = { notBeforeMs: Date.now() - 2 * dayMs, notAfterMs: Date.now() + 60 * dayMs };
  return testRoot({ subject: `CN=${name}`, template });
}

async function signLeaf(
  authority: TestAuthority,
  name: string,
  { algorithm = "ecdsa-p256", notAfterMs = Date.now() + 30 * dayMs }: LeafChanges = {},
): Promise<MemberLeaf> {
  const keys = await generateKeyPair(algorithm);
  const certificate = testCertificate(authority, keys.spki, {
    subject: parseNameText(`CN=${name}`),
    subjectAltName: [{ type: "dns", value: name }],
    notBeforeMs: Date.now() - 2 * dayMs,
    notAfterMs,
  });
  return pemPair(certificate.der, keys.privateKey);
}

function pemPair(der: Uint8Array, privateKey: TestAuthority["keys"]["privateKey"]): MemberLeaf {
  const key = String(privateKey.export({ format: "pem", type: "pkcs8" }));
  return { certificate: encodePem("CERTIFICATE", der), key };
}
