import type { Certificate } from "../certificate.ts";
import { contextConstructed, contextPrimitive, derTag } from "../der-tags.ts";
import * as der from "../der-write.ts";
import { oid } from "../oid.ts";
import type { Pkcs12Crypto } from "./crypto.ts";
import { encryptFor, passphraseForms } from "./encryption.ts";
import type { PassphraseForms, Pkcs12Form } from "./encryption.ts";
import { deriveBytes, derivedFor, widePassphrase } from "./passphrase-key.ts";

/** What a container is made of. */
export interface Pkcs12Template {
  /** PrivateKeyInfo (PKCS#8), DER, not encrypted. */
  readonly privateKey: Uint8Array;
  /** The key's own first, then its issuers. */
  readonly certificates: readonly [Certificate, ...Certificate[]];
  /** What programs show as its name, and Java as its alias. */
  readonly friendlyName: string;
  readonly form: Pkcs12Form;
  /** At least 10,000 where there is a passphrase to guess. */
  readonly iterations: number;
}

/**
 * A PKCS#12 container (RFC 7292), DER. `modern`: PBES2 with PBKDF2 (HMAC-SHA-256) and AES-256, MAC
 * with SHA-256. `legacy`: PBE-SHA1 with 3DES, MAC with SHA-1. Never RC2.
 */
export function writePkcs12(
  template: Pkcs12Template,
  passphrase: string,
  crypto: Pkcs12Crypto,
): Uint8Array {
  const [form] = passphraseForms(passphrase) as [PassphraseForms];
  const { iterations } = template;
  const encrypt = (plain: Uint8Array): ReturnType<typeof encryptFor> =>
    encryptFor(template.form, plain, form, iterations, crypto);
  const content = der.encode(
    der.sequence(certificateSafe(template, encrypt, crypto), keySafe(template, encrypt, crypto)),
  );
  return der.encode(
    der.sequence(
      der.smallInteger(3),
      dataOf(content),
      macData(template, content, form.wide, crypto),
    ),
  );
}

type Encrypt = (plain: Uint8Array) => ReturnType<typeof encryptFor>;

/** A ContentInfo of the type data. */
function dataOf(content: Uint8Array): der.DerNode {
  return der.sequence(
    der.objectIdentifier(oid.data),
    der.constructed(contextConstructed(0), [der.octetString(content)]),
  );
}

function certificateSafe(
  { certificates, friendlyName }: Pkcs12Template,
  encrypt: Encrypt,
  crypto: Pkcs12Crypto,
): der.DerNode {
  const [own] = certificates;
  const bags = certificates.map((certificate) =>
    bag(
      oid.certificateBag,
      der.sequence(
        der.objectIdentifier(oid.x509Certificate),
        der.constructed(contextConstructed(0), [der.octetString(certificate.der)]),
      ),
      certificate === own ? ownAttributes(own, friendlyName, crypto) : [],
    ),
  );
  const { algorithm, encrypted } = encrypt(der.encode(der.sequence(...bags)));
  const info = der.sequence(
    der.objectIdentifier(oid.data),
    algorithm,
    der.primitive(contextPrimitive(0), encrypted),
  );
  return der.sequence(
    der.objectIdentifier(oid.encryptedData),
    der.constructed(contextConstructed(0), [der.sequence(der.smallInteger(0), info)]),
  );
}

function keySafe(
  { privateKey, certificates, friendlyName }: Pkcs12Template,
  encrypt: Encrypt,
  crypto: Pkcs12Crypto,
): der.DerNode {
  const { algorithm, encrypted } = encrypt(privateKey);
  const attributes = ownAttributes(certificates[0], friendlyName, crypto);
  const key = der.sequence(algorithm, der.octetString(encrypted));
  return dataOf(der.encode(der.sequence(bag(oid.shroudedKeyBag, key, attributes))));
}

function bag(type: string, value: der.DerNode, attributes: readonly der.DerNode[]): der.DerNode {
  return der.sequence(
    der.objectIdentifier(type),
    der.constructed(contextConstructed(0), [value]),
    ...(attributes.length === 0 ? [] : [der.setOf(attributes)]),
  );
}

/** What ties a key to its certificate. */
function ownAttributes(
  own: Certificate,
  friendlyName: string,
  crypto: Pick<Pkcs12Crypto, "digest">,
): der.DerNode[] {
  const attribute = (type: string, value: der.DerNode): der.DerNode =>
    der.sequence(der.objectIdentifier(type), der.setOf([value]));
  const wide = widePassphrase(friendlyName).subarray(0, -2);
  return [
    attribute(oid.friendlyName, der.primitive(derTag.bmpString, wide)),
    attribute(oid.localKeyId, der.octetString(crypto.digest("sha1", own.der))),
  ];
}

function macData(
  { form, iterations }: Pkcs12Template,
  content: Uint8Array,
  passphrase: Uint8Array,
  crypto: Pkcs12Crypto,
): der.DerNode {
  const hash = form === "modern" ? "sha256" : "sha1";
  const salt = crypto.random(16);
  const length = form === "modern" ? 32 : 20;
  const purpose = derivedFor.mac;
  const key = deriveBytes({ hash, passphrase, salt, iterations, purpose, length }, crypto);
  const algorithm = der.sequence(
    der.objectIdentifier(oid[hash]),
    der.primitive(derTag.null, new Uint8Array(0)),
  );
  return der.sequence(
    der.sequence(algorithm, der.octetString(crypto.hmac(hash, key, content))),
    der.octetString(salt),
    der.smallInteger(iterations),
  );
}
