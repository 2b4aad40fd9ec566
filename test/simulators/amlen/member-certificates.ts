import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { generateKeyPair, type KeyAlgorithm } from "../../../src/keys/index.ts";
import { encodePem, parseNameText } from "../../../src/pki/index.ts";
import {
  dayMs,
  openssl,
  testCertificate,
  testRoot,
  type TestAuthority,
} from "../../support/certificates.ts";
import { tempFolder } from "../../support/temp-folder.ts";

/** PEM, as the files of a member have it. */
export interface MemberLeaf {
  readonly certificate: string;
  readonly key: string;
}

/** A CA for members, and what it signs. */
export interface MemberAuthority {
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
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
    ...pemPair(authority.certificate.der, authority.keys.privateKey),
    leaf: (leafName, changes) => signLeaf(authority, leafName, changes),
  };
}

/** A certificate that is its own issuer, as `openssl req -x509` makes one. */
export async function selfSignedLeaf(name: string): Promise<MemberLeaf> {
  const { certificate, keys } = await currentRoot(name);
  return pemPair(certificate.der, keys.privateKey);
}

/** A CRL of `authority`, PEM, that lasts a day and lists `revoked`. */
export async function revocationList(
  authority: MemberAuthority,
  revoked: MemberLeaf,
): Promise<string> {
  const folder = await tempFolder();
  const file = (name: string, content: string): string => {
    writeFileSync(join(folder, name), content);
    return join(folder, name);
  };
  const database = file("index.txt", "");
  const config = file(
    "ca.cnf",
    `[ca]\ndefault_ca=this\n[this]\ndatabase=${database}\ndefault_md=sha256\ndefault_crl_days=1\n`,
  );
  const signer = [
    "-cert",
    file("ca.pem", authority.certificate),
    "-keyfile",
    file("ca.key", authority.key),
  ];
  openssl(["ca", "-config", config, ...signer, "-revoke", file("leaf.pem", revoked.certificate)]);
  return openssl(["ca", "-config", config, ...signer, "-gencrl"]);
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
