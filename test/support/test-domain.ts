import {
  generateKeyPair,
  privateKeyToPem,
  signEnvelope,
  type KeyPair,
} from "../../src/keys/index.ts";
import type { AuthorityId, HostId, ProcessId } from "../../src/kit/index.ts";
import {
  base64Encode,
  crossCertificateTemplate,
  encodePem,
  parseNameText,
  processProfile,
  randomSerial,
  trafficProfile,
  type Certificate,
  type CertificateTemplate,
} from "../../src/pki/index.ts";
import type {
  Anchor,
  AuthorityUsage,
  Denial,
  HostDocument,
  KnownProcess,
  Role,
  TrustDocument,
} from "../../src/domain/index.ts";
import { LoadedTrust, sha256Hex, type Identity } from "../../src/transport/index.ts";
import { dayMs, testCertificate, testRng, testRoot, type TestAuthority } from "./certificates.ts";

/** A key and the certificate that was issued for it. */
export interface TestCredential {
  readonly identity: Identity;
  readonly keys: KeyPair;
  readonly certificate: Certificate;
  /** Hex SHA-256 of its SubjectPublicKeyInfo: what the signed topology records. */
  readonly fingerprint: string;
}

interface Issue {
  readonly authorityId: string;
  readonly keys?: KeyPair;
  readonly template?: Partial<CertificateTemplate>;
}

/** Now, in whole seconds as certificates have it. */
export const nowMs = (): number => Math.floor(Date.now() / 1000) * 1000;

/**
 * A domain without a control plane: its authorities, credentials, and the signed documents that say
 * whom to trust, made with our own pki and keys. `trust` is what a Node Manager of it has loaded:
 * it sees every link that is published and every host document that is signed.
 */
export class TestDomain {
  readonly id: string;
  readonly trust: LoadedTrust;
  readonly #trustKey: KeyPair;
  readonly #authorities = new Map<
    string,
    { usage: AuthorityUsage; authority: TestAuthority; crossPem: string | null }
  >();
  #document: TrustDocument;
  #hash: string | null = null;
  #hostVersion = 0;

  /** With the authorities `management-1` and `traffic-1`, both trusted at epoch 1. */
  static async create(id = "domain.example"): Promise<TestDomain> {
    const domain = new TestDomain(id, await generateKeyPair("ed25519"));
    await domain.addAuthority("management-1", "management");
    await domain.addAuthority("traffic-1", "traffic");
    domain.publish({ anchors: ["management-1", "traffic-1"] });
    return domain;
  }

  private constructor(id: string, trustKey: KeyPair) {
    this.id = id;
    this.#trustKey = trustKey;
    this.trust = new LoadedTrust(sha256Hex(trustKey.spki));
    this.#document = {
      domain: id,
      epoch: 0,
      previous: null,
      issuedAtMs: nowMs(),
      anchors: [],
      denied: [],
      admins: [],
      signingKey: base64Encode(trustKey.spki),
    };
  }

  /** Makes an authority; nobody trusts it yet. `crossSignedBy`: its predecessor. */
  async addAuthority(id: string, usage: AuthorityUsage, crossSignedBy?: string): Promise<void> {
    const times = { notBeforeMs: nowMs() - dayMs, notAfterMs: nowMs() + 3650 * dayMs };
    const authority = await testRoot({ subject: `CN=${id},OU=${this.id}`, template: times });
    const crossPem = crossSignedBy === undefined ? null : this.#cross(authority, crossSignedBy);
    this.#authorities.set(id, { usage, authority, crossPem });
  }

  #cross(authority: TestAuthority, predecessor: string): string {
    const { authority: signer } = this.#authority(predecessor);
    const template = crossCertificateTemplate(authority.certificate, signer.certificate, {
      serial: randomSerial(testRng),
      notBeforeMs: nowMs() - dayMs,
    });
    return encodePem("CERTIFICATE", testCertificate(signer, template.spki, template).der);
  }

  /** An authority's CA with its key. */
  authority(id: string): TestAuthority {
    return this.#authority(id).authority;
  }

  #authority(id: string) {
    const found = this.#authorities.get(id);
    if (found === undefined) throw new Error(`the test domain has no authority ${id}`);
    return found;
  }

  /** The CA certificate of an authority. */
  caPem(id: string): string {
    return encodePem("CERTIFICATE", this.#authority(id).authority.certificate.der);
  }

  /** A Node Manager's management identity; `anm` is an Admin Node Manager's. */
  nodeManager(hostId: string, of: Issue & { role?: "nm" | "anm" }): Promise<TestCredential> {
    const { role = "nm" } = of;
    return this.#issue(of, {
      profile: processProfile(role),
      subject: parseNameText(`CN=nodemanager,OU=group-1,DC=${hostId}`),
      subjectAltName: [{ type: "uri", value: `spiffe://${this.id}/${role}/${hostId}` }],
    });
  }

  /** A gateway instance's management identity. */
  gateway(instanceId: string, of: Issue): Promise<TestCredential> {
    return this.#issue(of, {
      profile: processProfile("gateway"),
      subject: parseNameText(`CN=${instanceId},OU=group-2`),
      subjectAltName: [
        { type: "uri", value: `spiffe://${this.id}/gateway/${instanceId}` },
        { type: "ip", value: "127.0.0.1" },
      ],
    });
  }

  /** A traffic credential for a DNS name and 127.0.0.1. */
  traffic(dnsName: string, of: Issue): Promise<TestCredential> {
    return this.#issue(of, {
      profile: trafficProfile,
      subject: parseNameText(`CN=${dnsName}`),
      subjectAltName: [
        { type: "dns", value: dnsName },
        { type: "ip", value: "127.0.0.1" },
      ],
    });
  }

  async #issue(
    { authorityId, keys, template }: Issue,
    names: Partial<CertificateTemplate>,
  ): Promise<TestCredential> {
    const pair = keys ?? (await generateKeyPair("ecdsa-p256"));
    const certificate = this.sign(authorityId, pair.spki, { ...names, ...template });
    return {
      keys: pair,
      certificate,
      fingerprint: sha256Hex(pair.spki),
      identity: {
        keyPem: privateKeyToPem(pair.privateKey),
        certificatePem: encodePem("CERTIFICATE", certificate.der),
        authorityId,
        serial: certificate.serialHex,
      },
    };
  }

  /** Certifies a key as it is said, from yesterday to in 30 days. */
  sign(authorityId: string, spki: Uint8Array, template: Partial<CertificateTemplate>): Certificate {
    const times = { notBeforeMs: nowMs() - dayMs, notAfterMs: nowMs() + 30 * dayMs };
    const { authority } = this.#authority(authorityId);
    return testCertificate(authority, spki, { ...times, ...template });
  }

  /** Publishes the next link of the trust chain; what is not named stays as it is. */
  publish(change: {
    anchors?: readonly string[];
    /** Cross-certificates are on the wire for these authorities. */
    crossed?: readonly string[];
    denied?: readonly Denial[];
    admins?: readonly KnownProcess[];
  }): TrustDocument {
    const { anchors, crossed = [], denied, admins } = change;
    this.#document = {
      ...this.#document,
      epoch: this.#document.epoch + 1,
      previous: this.#hash,
      anchors:
        anchors?.map((id) => this.#anchor(id, crossed.includes(id))) ?? this.#document.anchors,
      denied: denied ?? this.#document.denied,
      admins: admins ?? this.#document.admins,
    };
    const payload = Buffer.from(JSON.stringify(this.#document));
    this.#hash = sha256Hex(payload);
    this.trust.accept([signEnvelope("trust", payload, this.#trustKey.privateKey)]);
    return this.#document;
  }

  #anchor(id: string, isCrossed: boolean): Anchor {
    const { usage, crossPem } = this.#authority(id);
    return {
      authorityId: id as AuthorityId,
      usage,
      certificatePem: this.caPem(id),
      crossCertificatePem: isCrossed ? crossPem : null,
    };
  }

  /** Signs the next version of a host's document; `trust` holds the last one. */
  publishHost(hostId: string, processes: readonly KnownProcess[]): HostDocument {
    const document: HostDocument = {
      domain: this.id,
      hostId: hostId as HostId,
      version: ++this.#hostVersion,
      processes,
    };
    const payload = Buffer.from(JSON.stringify(document));
    this.trust.acceptHost(signEnvelope("host", payload, this.#trustKey.privateKey));
    return document;
  }
}

/** A process of the signed topology with the keys of `credentials`. */
export function knownProcess(
  id: string,
  role: Role,
  hostId: string,
  credentials: readonly Pick<TestCredential, "fingerprint">[],
  port = 1,
): KnownProcess {
  return {
    id: id as ProcessId,
    role,
    hostId: hostId as HostId,
    name: id,
    address: "127.0.0.1",
    port,
    keys: credentials.map((credential) => credential.fingerprint),
  };
}
