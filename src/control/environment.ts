import type { AuthorityId, Clock, CredentialId, HostId, Rng } from "../kit/index.ts";
import type { Envelope, KeyInToken } from "../domain/index.ts";
import type { CryptoPort, LeafText, SignatureAlgorithm } from "../pki/index.ts";
import type { Store } from "./ports.ts";
import type { Policy } from "./policy.ts";

/** Everything a use case works with, passed in by the process that runs it. */
export interface ControlEnvironment {
  readonly store: Store;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly crypto: CryptoPort;
  readonly authorityKeys: AuthorityKeys;
  readonly trustKey: TrustKey;
  readonly passwords: PasswordHasher;
  readonly policy: Policy;
  /** How long a new leaf lives, in seconds, as an operator has it at this moment; absent: the policy's. */
  readonly leafLifetimeSeconds?: () => number;
}

/** The keys of the domain's authorities, as far as this process holds them. */
export interface AuthorityKeys {
  /** Makes the key of an authority, or finds the one made before. */
  create(id: AuthorityId): Promise<MadeKey>;
  /** Signs a linted root or cross-certificate. Throws `authority-unavailable` without the key. */
  sign(id: AuthorityId, tbs: Uint8Array, algorithm?: SignatureAlgorithm): Promise<Uint8Array>;
  /** Throws `authority-unavailable`, with the reason, unless this process can sign with it now. */
  requireUsable(id: AuthorityId): Promise<void>;
  /** The key of an authority, sealed for the holder of a sealing key (SPKI, base64); never one in a token. */
  seal(id: AuthorityId, sealingKey: string): Promise<string>;
  /** Checks a request's proof of possession, then builds, lints and signs a leaf for its key. */
  issueLeaf(job: LeafJob): Promise<IssuedLeaf>;
}

/** The key of an authority where it is used. */
interface MadeKey {
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Absent: it is in a file. */
  readonly token?: KeyInToken;
}

/** What a leaf is to say. Names come from the topology, never from the request. */
export interface LeafJob extends LeafText {
  /** Whose it is: by these another Admin Node Manager finds in the store what it is to say. */
  readonly hostId: HostId;
  readonly credentialId: CredentialId;
  readonly authorityId: AuthorityId;
  readonly issuerPem: string;
  readonly requestPem: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isProbe: boolean;
}

export interface IssuedLeaf {
  readonly der: Uint8Array;
  /** Lower-case hexadecimal. */
  readonly serial: string;
  /** Hex SHA-256 of the certificate and of its SubjectPublicKeyInfo. */
  readonly fingerprint: string;
  readonly spki: string;
  /** As in the certificate: who signs it has the say, and a clock of its own. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** The trust-signing key: signs trust documents, host documents, and what a restored Admin Node Manager asks. */
export interface TrustKey {
  /** SPKI, DER. */
  readonly spki: Uint8Array;
  /** Hex SHA-256 of `spki`. */
  readonly keyId: string;
  sign(kind: "trust" | "host" | "restoration", payload: Uint8Array): Promise<Envelope>;
}

export interface PasswordHasher {
  hash(password: string): Promise<string>;
  /** Takes the same time whether or not it matches. */
  matches(password: string, hash: string): Promise<boolean>;
}
