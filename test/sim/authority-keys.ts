import { hash } from "node:crypto";
import { assert, toHex, type AuthorityId } from "../../src/kit/index.ts";
import { isRole, type Envelope } from "../../src/domain/index.ts";
import type { AuthorityKeys, IssuedLeaf, LeafJob, TrustKey } from "../../src/control/index.ts";
import {
  generateKeyPair,
  keySigner,
  nodeCryptoPort,
  signBytes,
  type KeyPair,
} from "../../src/keys/index.ts";
import {
  base64Encode,
  encodePem,
  isProbeCertificate,
  oid,
  parseCertificate,
  randomSerial,
  type CryptoPort,
} from "../../src/pki/index.ts";
import { MemoryAuthorityKeys, newRequest, testTrustKey } from "../support/control-environment.ts";
import { testRequest } from "../support/certificates.ts";
import type { SeededRng } from "../support/seeded-rng.ts";
import { keyOfRequest, symbolicLeaf, type Leaf } from "./leaf.ts";
import { RealTrust, SymbolicTrust, type TrustState } from "./trust-state.ts";
import { LoadedTrust } from "../../src/transport/index.ts";

/** How the simulated domain signs: for real, or in symbols that cost nothing. */
export interface Signing {
  readonly authorityKeys: AuthorityKeys;
  readonly trustKey: TrustKey;
  readonly crypto: CryptoPort;
  /** A new key and the request for it. */
  newRequest(): Promise<{ readonly key: string; readonly pem: string }>;
  /** What was issued for a key, as peers see it. */
  leafOf(issued: { readonly der: Uint8Array }, issuerPem: string): Leaf;
  /** SPKI and proof of possession of a key over a message. */
  prove(
    key: string,
    message: Uint8Array,
  ): { readonly spki: Uint8Array; readonly proof: Uint8Array };
  newTrust(): TrustState;
}

const keyPool: KeyPair[] = [];
const blankRequest = encodePem(
  "CERTIFICATE REQUEST",
  testRequest(await generateKeyPair("ecdsa-p256")).der,
);

/**
 * CA certificates are real (there are few), leaves, requests and envelopes are symbols: a leaf's
 * "bytes" are its number, a key is a name, a signature is a word.
 */
export class SymbolicSigning implements Signing {
  readonly #leaves: Leaf[] = [];
  readonly #rng: SeededRng;
  #keys = 0;

  constructor(rng: SeededRng) {
    this.#rng = rng;
  }

  readonly crypto: CryptoPort = {
    sha256: nodeCryptoPort.sha256,
    verify: (spki, message, signature) =>
      text(signature) === `${text(spki)} ${hash("sha256", message)}`,
  };

  readonly trustKey: TrustKey = {
    spki: bytes("trust-signing key"),
    keyId: hash("sha256", "trust-signing key"),
    sign: async (_kind, payload): Promise<Envelope> => ({
      payload: Buffer.from(payload).toString("base64"),
      signature: base64Encode(bytes("signed")),
      keyId: hash("sha256", "trust-signing key"),
    }),
  };

  readonly authorityKeys: AuthorityKeys = {
    create: async (id) => ({ spki: (await this.#keyOf(id)).spki }),
    sign: async (id, tbs) => keySigner((await this.#keyOf(id)).privateKey).sign(tbs),
    requireUsable: async () => {},
    seal: async (id) => `sealed key of ${id}`,
    issueLeaf: async (job) => this.#issue(job),
  };

  readonly #pairs = new Map<AuthorityId, KeyPair>();

  async #keyOf(id: AuthorityId): Promise<KeyPair> {
    const known = this.#pairs.get(id);
    if (known !== undefined) return known;
    const pair = keyPool[this.#pairs.size] ?? (await generateKeyPair("ecdsa-p256"));
    keyPool[this.#pairs.size] = pair;
    this.#pairs.set(id, pair);
    return pair;
  }

  #issue(job: LeafJob): IssuedLeaf {
    const spki = hash("sha256", keyOfRequest(job.requestPem));
    const leaf = symbolicLeaf(job, toHex(randomSerial(this.#rng)), spki);
    this.#leaves.push(leaf);
    return {
      der: bytes(String(this.#leaves.length - 1)),
      serial: leaf.serial,
      fingerprint: leaf.certificateFingerprint,
      spki,
      notBeforeMs: job.notBeforeMs,
      notAfterMs: job.notAfterMs,
    };
  }

  async newRequest(): Promise<{ key: string; pem: string }> {
    const key = `key-${++this.#keys}`;
    return { key, pem: `key: ${key}\n${blankRequest}` };
  }

  leafOf({ der }: { der: Uint8Array }): Leaf {
    const leaf = this.#leaves[Number(text(der))];
    assert(leaf !== undefined, "a symbolic leaf is known by its number");
    return leaf;
  }

  prove(key: string, message: Uint8Array): { spki: Uint8Array; proof: Uint8Array } {
    return { spki: bytes(key), proof: bytes(`${key} ${hash("sha256", message)}`) };
  }

  newTrust(): TrustState {
    return new SymbolicTrust();
  }
}

function bytes(content: string): Uint8Array {
  return Uint8Array.from(Buffer.from(content));
}

function text(content: Uint8Array): string {
  return Buffer.from(content).toString("utf8");
}

/** Everything for real: X.509 leaves, PKCS#10 requests, Ed25519 envelopes. */
export async function realSigning(rng: SeededRng): Promise<Signing> {
  const keys = new Map<string, KeyPair>();
  const trustKey = await testTrustKey();
  return {
    authorityKeys: new MemoryAuthorityKeys(rng),
    trustKey,
    crypto: nodeCryptoPort,
    async newRequest() {
      const { keys: pair, pem, spki } = await newRequest();
      keys.set(spki, pair);
      return { key: spki, pem };
    },
    leafOf: ({ der }, issuerPem) => realLeaf(der, issuerPem),
    prove(key, message) {
      const pair = keys.get(key);
      assert(pair !== undefined, "a key that proves was made here");
      return { spki: pair.spki, proof: signBytes(pair.privateKey, message, "ecdsa-sha256") };
    },
    newTrust: () => new RealTrust(new LoadedTrust(trustKey.keyId)),
  };
}

const roleOf: Readonly<Record<string, string>> = {
  [oid.nodeManager]: "nm",
  [oid.adminNodeManager]: "anm",
  [oid.gateway]: "gateway",
};

function realLeaf(der: Uint8Array, issuerPem: string): Leaf {
  const certificate = parseCertificate(der);
  const { extensions, serialHex, notBeforeMs, notAfterMs, spki } = certificate;
  return {
    serial: serialHex,
    uris: (extensions.subjectAltName ?? []).flatMap((name) =>
      name.type === "uri" ? [name.value] : [],
    ),
    roles: (extensions.extendedKeyUsage ?? []).flatMap((usage) => {
      const role = roleOf[usage] ?? "";
      return isRole(role) ? [role] : [];
    }),
    keyFingerprint: hash("sha256", spki),
    certificateFingerprint: hash("sha256", der),
    notBeforeMs,
    notAfterMs,
    isProbe: isProbeCertificate(certificate),
    issuerPem,
    der,
  };
}
