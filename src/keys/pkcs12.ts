import { createPrivateKey, type KeyObject } from "node:crypto";
import { DomainError } from "../kit/index.ts";
import {
  bytesEqual,
  isNamedIssuer,
  isSelfIssued,
  isSignedBy,
  readPkcs12,
  writePkcs12,
  type Certificate,
  type Pkcs12Form,
} from "../pki/index.ts";
import { keyPairOf, type KeyPair } from "./key-pair.ts";
import { nodeCryptoPort } from "./node-crypto-port.ts";
import { pkcs12Crypto } from "./pkcs12-crypto.ts";

/** A key with its certificate and those who issued it. */
export interface KeyAndChain {
  readonly privateKey: KeyObject;
  readonly certificate: Certificate;
  /** The issuers of `certificate` in order, up to the root where that is there too. */
  readonly chain: readonly Certificate[];
}

/**
 * The one key in a PKCS#12 container, with its certificate and chain; other certificates are
 * ignored. `what` names the container in a message. A DomainError `unauthenticated` for a wrong
 * passphrase, `invalid-input` if it is damaged, has no key, several, or none that fits.
 */
export function openPkcs12(bytes: Uint8Array, passphrase: string, what: string): KeyAndChain {
  const { privateKeys, certificates } = readPkcs12(bytes, passphrase, what, pkcs12Crypto);
  const pairs = differentPairs(privateKeys, what);
  const [pair] = pairs;
  if (pair === undefined) {
    throw new DomainError("invalid-input", `${what} has no private key: export it with its key`);
  }
  if (pairs.length > 1) {
    throw new DomainError(
      "invalid-input",
      `${what} has ${pairs.length} private keys: export the one that is meant by itself`,
    );
  }
  const own = certificates.filter(({ spki }) => bytesEqual(spki, pair.spki));
  const certificate = own.find(isSelfIssued) ?? own[0];
  if (certificate === undefined) {
    throw new DomainError(
      "invalid-input",
      `${what} has no certificate of its key: export the key with its certificate`,
    );
  }
  const chain = issuersOf(certificate, certificates);
  return { privateKey: pair.privateKey, certificate, chain };
}

function differentPairs(privateKeys: readonly Uint8Array[], what: string): KeyPair[] {
  const pairs: KeyPair[] = [];
  for (const der of privateKeys) {
    const pair = readPair(der, what);
    if (!pairs.some(({ spki }) => bytesEqual(spki, pair.spki))) pairs.push(pair);
  }
  return pairs;
}

function readPair(der: Uint8Array, what: string): KeyPair {
  try {
    const key = Buffer.from(der);
    return keyPairOf(createPrivateKey({ key, format: "der", type: "pkcs8" }));
  } catch (cause) {
    throw new DomainError("invalid-input", `the key in ${what} is of a kind that cannot be read`, {
      cause,
    });
  }
}

/** The issuers of `certificate` among `known`, the nearest first; a root ends it. */
export function issuersOf(certificate: Certificate, known: readonly Certificate[]): Certificate[] {
  const chain: Certificate[] = [];
  for (let last = certificate; !isSelfIssued(last);) {
    const candidates = known.filter(
      (each) => each !== certificate && !chain.includes(each) && isNamedIssuer(last, each),
    );
    // One that signed by an algorithm of old is found too: what is wrong with it is told elsewhere.
    const issuer =
      candidates.find((each) => isSignedBy(last, each, nodeCryptoPort)) ?? candidates[0];
    if (issuer === undefined) break;
    chain.push(issuer);
    last = issuer;
  }
  return chain;
}

/** Each try of a passphrase costs whoever guesses as many hashes, and us some 0.1 s in all. */
const iterationsOf: Readonly<Record<Pkcs12Form, number>> = { modern: 50_000, legacy: 10_000 };

/**
 * A PKCS#12 container with the key, its certificate and its chain. `friendlyName` is what programs
 * show, and Java's alias.
 */
export function makePkcs12(
  content: KeyAndChain,
  options: { passphrase: string; friendlyName: string; form?: Pkcs12Form },
): Uint8Array {
  const { passphrase, friendlyName, form = "modern" } = options;
  const { privateKey, certificate, chain } = content;
  const template = {
    privateKey: Uint8Array.from(privateKey.export({ format: "der", type: "pkcs8" })),
    certificates: [certificate, ...chain] as const,
    friendlyName,
    form,
    // An empty one is the first that anybody tries.
    iterations: passphrase === "" ? 1 : iterationsOf[form],
  };
  return writePkcs12(template, passphrase, pkcs12Crypto);
}
