import { onTestFinished } from "vitest";
import { assert, type AuthorityId, type Clock, type HostId } from "../../src/kit/index.ts";
import type { Host } from "../../src/domain/index.ts";
import {
  createJoinToken,
  defaultPolicy,
  initializeDomain,
  issueCredential,
  joinHost,
  type Admission,
  type AuthorityKeys,
  type ControlEnvironment,
  type CredentialIssued,
  type Leadership,
  type LeafJob,
  type IssuedLeaf,
  type Policy,
  type TrustKey,
} from "../../src/control/index.ts";
import {
  generateKeyPair,
  issueCertificate,
  keySigner,
  nodeCryptoPort,
  privateKeyToPem,
  seal,
  signEnvelope,
  type KeyPair,
} from "../../src/keys/index.ts";
import {
  certificateFingerprint,
  encodePem,
  leafTemplate,
  parseCertificatesPem,
  parseRequestPem,
  randomSerial,
  spkiFingerprint,
  verifyRequestSignature,
  type SignatureAlgorithm,
} from "../../src/pki/index.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { testNowMs, testRequest, testRoot } from "./certificates.ts";
import { MemoryStore } from "./memory-store.ts";
import { SeededRng } from "./seeded-rng.ts";
import { tempFolder } from "./temp-folder.ts";

/** A clock that stands still until it is moved. */
export class SettableClock implements Clock {
  #nowMs: number;

  constructor(nowMs = testNowMs) {
    this.#nowMs = nowMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  advance(milliseconds: number): void {
    this.#nowMs += milliseconds;
  }
}

/** Authority keys in memory that sign for real. */
export class MemoryAuthorityKeys implements AuthorityKeys {
  readonly #keys = new Map<AuthorityId, KeyPair>();
  readonly #rng: SeededRng;

  constructor(rng: SeededRng) {
    this.#rng = rng;
  }

  async create(id: AuthorityId): Promise<{ readonly spki: Uint8Array }> {
    const known = this.#keys.get(id) ?? (await generateKeyPair("ecdsa-p256"));
    this.#keys.set(id, known);
    return { spki: known.spki };
  }

  async sign(
    id: AuthorityId,
    tbs: Uint8Array,
    algorithm?: SignatureAlgorithm,
  ): Promise<Uint8Array> {
    return keySigner(this.#key(id).privateKey).sign(tbs, algorithm);
  }

  async requireUsable(id: AuthorityId): Promise<void> {
    this.#key(id);
  }

  async seal(id: AuthorityId, sealingKey: string): Promise<string> {
    const pem = privateKeyToPem(this.#key(id).privateKey);
    return seal(pem, Buffer.from(sealingKey, "base64"));
  }

  async issueLeaf(job: LeafJob): Promise<IssuedLeaf> {
    const request = parseRequestPem(job.requestPem);
    assert(verifyRequestSignature(request, nodeCryptoPort), "the request proves its key");
    const [issuer] = parseCertificatesPem(job.issuerPem);
    assert(issuer !== undefined, "an authority has a certificate");
    const certificate = await issueCertificate(
      {
        ...leafTemplate(job),
        serial: randomSerial(this.#rng),
        spki: request.spki,
        notBeforeMs: job.notBeforeMs,
        notAfterMs: job.notAfterMs,
        isProbe: job.isProbe,
      },
      { kind: "authority", certificate: issuer },
      keySigner(this.#key(job.authorityId).privateKey),
    );
    return {
      der: certificate.der,
      serial: certificate.serialHex,
      fingerprint: certificateFingerprint(certificate, nodeCryptoPort),
      spki: spkiFingerprint(request.spki, nodeCryptoPort),
      notBeforeMs: job.notBeforeMs,
      notAfterMs: job.notAfterMs,
    };
  }

  #key(id: AuthorityId): KeyPair {
    const found = this.#keys.get(id);
    assert(found !== undefined, `the key of ${id} was made before it signs`);
    return found;
  }
}

/** A new trust-signing key that signs for real. */
export async function testTrustKey(): Promise<TrustKey> {
  const { privateKey, spki } = await generateKeyPair("ed25519");
  return {
    spki,
    keyId: spkiFingerprint(spki, nodeCryptoPort),
    sign: async (kind, payload) => signEnvelope(kind, payload, privateKey),
  };
}

export interface TestEnvironment extends ControlEnvironment {
  readonly clock: SettableClock;
  readonly rng: SeededRng;
}

/** Everything that use cases need, with a clock to set, seeded chance, and keys that sign for real. */
export async function testEnvironment(
  options: { store?: "sqlite" | "memory"; policy?: Partial<Policy> } = {},
): Promise<TestEnvironment> {
  const clock = new SettableClock();
  const rng = new SeededRng(1);
  const store =
    options.store === "sqlite"
      ? await openSqliteStore({ folder: await tempFolder(), writer: "nodemanager-1", clock })
      : new MemoryStore(clock);
  onTestFinished(() => store.close());
  return {
    store,
    clock,
    rng,
    crypto: nodeCryptoPort,
    authorityKeys: new MemoryAuthorityKeys(rng),
    trustKey: await testTrustKey(),
    passwords: {
      hash: async (password) => `hash of ${password}`,
      matches: async (password, hash) => hash === `hash of ${password}`,
    },
    policy: { ...defaultPolicy, ...options.policy },
  };
}

export const testActor = "user:admin";

/** A key and a request for it; the names in it count for nothing. */
export async function newRequest(): Promise<{ keys: KeyPair; pem: string; spki: string }> {
  const keys = await generateKeyPair("ecdsa-p256");
  const pem = encodePem("CERTIFICATE REQUEST", testRequest(keys).der);
  return { keys, pem, spki: spkiFingerprint(keys.spki, nodeCryptoPort) };
}

const firstHost = {
  domainId: "domain.example",
  domainName: "CN=Domain",
  hostName: "alpha",
  address: "alpha.example",
  nodeManagerName: "Node Manager on alpha",
  port: 8090,
  administrator: { name: "admin", password: "secret" },
};

/** Makes the domain under an external CA, with its first host, which has no certificate yet. */
export async function testExternalDomain(
  env: ControlEnvironment,
): Promise<{ host: Host; ca: Awaited<ReturnType<typeof testRoot>> }> {
  const ca = await testRoot({ subject: "CN=Corp Root" });
  const certificatePem = encodePem("CERTIFICATE", ca.certificate.der);
  const given = { signing: "external", certificatePem, intermediatesPem: "" } as const;
  return { ca, host: await initializeDomain(env, { ...firstHost, given }) };
}

/** Makes the domain with its first host, whose Admin Node Manager has its first certificate. */
export async function testControlDomain(
  env: ControlEnvironment,
): Promise<{ host: Host; keys: KeyPair; issued: CredentialIssued }> {
  const host = await initializeDomain(env, firstHost);
  const { keys, pem } = await newRequest();
  const issued = await issueFor(env, host.id, `${host.nodeManager.id}/management`, pem);
  return { host, keys, issued };
}

/** Joins a second host, whose Node Manager has its first certificate. */
export async function joinTestHost(
  env: ControlEnvironment,
  changes: Partial<Parameters<typeof joinHost>[1]> = {},
): Promise<Admission> {
  const wish = { hostName: null, lifetimeSeconds: 3600, actor: testActor };
  const admission = await joinHost(env, {
    token: (await createJoinToken(env, wish)).text,
    hostName: "beta",
    address: "beta.example",
    nodeManagerName: "Node Manager on beta",
    port: 8090,
    requestPem: (await newRequest()).pem,
    ...changes,
  });
  assert("trust" in admission, "the domain signs by itself");
  return admission;
}

/** Issues for a credential of a host, for a new key unless a request is given. */
export async function issueFor(
  env: ControlEnvironment,
  hostId: HostId,
  credential: string,
  requestPem?: string,
  presentedSerial: string | null = null,
): Promise<CredentialIssued> {
  return issueCredential(env, {
    hostId,
    credentialId: credential as Parameters<typeof issueCredential>[1]["credentialId"],
    requestPem: requestPem ?? (await newRequest()).pem,
    presentedSerial,
    actor: `host:${hostId}`,
  });
}

/** Claims the leader's lease. */
export function claimTestLease(env: ControlEnvironment): Promise<Leadership> {
  return env.store.note(async (tx) => {
    const { fencingToken } = await tx.leases.claim(
      "leader",
      "nodemanager-1",
      await tx.leases.get("leader"),
    );
    return { lease: "leader", fencingToken };
  });
}
