import { DomainError } from "../kit/index.ts";

/** Object identifiers by the name that their standard gives them. */
export const oid = {
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  subjectAltName: "2.5.29.17",
  subjectKeyIdentifier: "2.5.29.14",
  authorityKeyIdentifier: "2.5.29.35",
  nameConstraints: "2.5.29.30",
  anyExtendedKeyUsage: "2.5.29.37.0",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
  /** Extended key usages of the roles in a domain. */
  nodeManager: "1.3.6.1.4.1.17998.10.1.1.2.1",
  adminNodeManager: "1.3.6.1.4.1.17998.10.1.1.2.2",
  gateway: "1.3.6.1.4.1.17998.10.1.1.2.3",
  /** Marks a probe certificate; ours, below the UUID arc (X.667). */
  probeCertificate: "2.25.56892760048637454330656880996407995051",
  extensionRequest: "1.2.840.113549.1.9.14",
  data: "1.2.840.113549.1.7.1",
  signedData: "1.2.840.113549.1.7.2",
  encryptedData: "1.2.840.113549.1.7.6",
  friendlyName: "1.2.840.113549.1.9.20",
  localKeyId: "1.2.840.113549.1.9.21",
  x509Certificate: "1.2.840.113549.1.9.22.1",
  /** Bags of PKCS#12. */
  keyBag: "1.2.840.113549.1.12.10.1.1",
  shroudedKeyBag: "1.2.840.113549.1.12.10.1.2",
  certificateBag: "1.2.840.113549.1.12.10.1.3",
  nestedBags: "1.2.840.113549.1.12.10.1.6",
  pbeSha1TripleDes: "1.2.840.113549.1.12.1.3",
  pbkdf2: "1.2.840.113549.1.5.12",
  hmacSha256: "1.2.840.113549.2.9",
  rsaSha1: "1.2.840.113549.1.1.5",
  ecdsaSha1: "1.2.840.10045.4.1",
  sha1: "1.3.14.3.2.26",
  sha256: "2.16.840.1.101.3.4.2.1",
  rsaEncryption: "1.2.840.113549.1.1.1",
  ecPublicKey: "1.2.840.10045.2.1",
  ed25519: "1.3.101.112",
  pbes2: "1.2.840.113549.1.5.13",
  scrypt: "1.3.6.1.4.1.11591.4.11",
  aes256Cbc: "2.16.840.1.101.3.4.1.42",
  p256: "1.2.840.10045.3.1.7",
  p384: "1.3.132.0.34",
  p521: "1.3.132.0.35",
} as const;

const usageNames = new Map<string, string>([
  [oid.anyExtendedKeyUsage, "anyExtendedKeyUsage"],
  [oid.serverAuth, "serverAuth"],
  [oid.clientAuth, "clientAuth"],
  [oid.nodeManager, "NODE_MANAGER"],
  [oid.adminNodeManager, "ADMIN_NODE_MANAGER"],
  [oid.gateway, "GATEWAY"],
  ["1.3.6.1.5.5.7.3.3", "codeSigning"],
  ["1.3.6.1.5.5.7.3.4", "emailProtection"],
  ["1.3.6.1.5.5.7.3.8", "timeStamping"],
  ["1.3.6.1.5.5.7.3.9", "OCSPSigning"],
]);

/** An extended key usage (dotted OID) for people: its name, or itself where it has none here. */
export function usageName(usage: string): string {
  return usageNames.get(usage) ?? usage;
}

/** Enough for an arc that is a UUID (128 bits), which is the longest in use. */
const arcOctetsMax = 19;
const arcsMax = 32;

/** Dotted text of the OBJECT IDENTIFIER content in `bytes` from `start` to `end` (X.690 8.19). */
export function decodeOid(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  let arcs = 0;
  for (let i = start; i < end;) {
    const arcStart = i;
    if (bytes[i] === 0x80) throw wrongOid(start, "an arc is not as short as possible");
    let small = 0;
    while (i < end && (bytes[i] as number) >= 0x80)
      small = small * 128 + ((bytes[i++] as number) & 0x7f);
    if (i === end) throw wrongOid(start, "it ends inside an arc");
    small = small * 128 + (bytes[i++] as number);
    if (i - arcStart > arcOctetsMax || ++arcs > arcsMax) throw wrongOid(start, "it is too long");
    const isFirst = arcStart === start;
    const root = isFirst ? Math.min(2, Math.floor(small / 40)) : 0;
    const arc =
      i - arcStart > 7
        ? (bigArc(bytes, arcStart, i) - BigInt(root * 40)).toString()
        : String(small - root * 40);
    text += isFirst ? `${root}.${arc}` : `.${arc}`;
  }
  if (text === "") throw wrongOid(start, "it is empty");
  return text;
}

function bigArc(bytes: Uint8Array, start: number, end: number): bigint {
  let value = 0n;
  for (let i = start; i < end; i++) value = (value << 7n) | BigInt((bytes[i] as number) & 0x7f);
  return value;
}

function wrongOid(offset: number, what: string): DomainError {
  return new DomainError(
    "invalid-input",
    `malformed DER at byte ${offset}: an object identifier cannot be read, ${what}`,
    { context: { offset } },
  );
}

/** The content of an OBJECT IDENTIFIER from dotted text; a DomainError where it is none. */
export function encodeOid(text: string): Uint8Array {
  const arcs = /^[012](\.(0|[1-9][0-9]{0,38})){1,31}$/.test(text)
    ? text.split(".").map(BigInt)
    : [];
  const [root, second] = arcs;
  if (root === undefined || second === undefined || (root < 2n && second > 39n)) {
    throw new DomainError("invalid-input", `"${text}" is not an object identifier like 1.3.6.1.5`);
  }
  const bytes: number[] = [];
  for (const arc of [root * 40n + second, ...arcs.slice(2)]) {
    const octets = [Number(arc & 0x7fn)];
    for (let rest = arc >> 7n; rest > 0n; rest >>= 7n) octets.unshift(Number(rest & 0x7fn) | 0x80);
    bytes.push(...octets);
  }
  return Uint8Array.from(bytes);
}
