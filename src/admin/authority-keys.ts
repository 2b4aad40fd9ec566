import type { KeyObject } from "node:crypto";
import { access, readFile, rm } from "node:fs/promises";
import { cpus } from "node:os";
import { DomainError, isDomainError, type AuthorityId } from "../kit/index.ts";
import type { Authority, HomeLayout } from "../domain/index.ts";
import {
  certificateFingerprint,
  leafTemplate,
  parseCertificatesPem,
  parseRequestPem,
  spkiFingerprint,
  type Certificate,
  type SignatureAlgorithm,
} from "../pki/index.ts";
import {
  authorityChain,
  type AgreedClock,
  type AuthorityKeys,
  type IssuedLeaf,
  type LeafJob,
} from "../control/index.ts";
import {
  generateKeyPair,
  keyPairOf,
  keySigner,
  nodeCryptoPort,
  privateKeyFromPem,
  privateKeyToPem,
  seal,
  signRequest,
  unseal,
} from "../keys/index.ts";
import { KeyFiles } from "./key-files.ts";
import { createSigningPool, type SigningPool } from "../keys/signing.ts";

/**
 * The authority keys in the home folder, and the worker threads that sign leaves with them; what
 * this home has no key for is relayed.
 */
export class FileAuthorityKeys implements AuthorityKeys {
  readonly #layout: HomeLayout;
  readonly #clock: Pick<AgreedClock, "requireRight">;
  readonly files: KeyFiles;
  readonly #keys = new Map<AuthorityId, KeyObject>();
  #pool: SigningPool | null = null;
  readonly #poolHas = new Set<AuthorityId>();

  /** Asks other holders of the key; given why it cannot be used here. Null: there is nobody to ask. */
  relay: ((job: LeafJob, why: DomainError) => Promise<IssuedLeaf>) | null = null;

  constructor(layout: HomeLayout, clock: Pick<AgreedClock, "requireRight">) {
    this.#layout = layout;
    this.#clock = clock;
    this.files = new KeyFiles(layout);
  }

  async create(id: AuthorityId): Promise<Uint8Array> {
    const path = this.#layout.authorityKey(id);
    if (!(await exists(path)))
      await this.files.write(path, (await generateKeyPair("ecdsa-p256")).privateKey);
    return keyPairOf(await this.#key(id)).spki;
  }

  async sign(
    id: AuthorityId,
    tbs: Uint8Array,
    algorithm?: SignatureAlgorithm,
  ): Promise<Uint8Array> {
    // Not often, and never with a file that was replaced meanwhile.
    this.#keys.delete(id);
    const key = await this.#key(id);
    this.#clock.requireRight();
    return keySigner(key).sign(tbs, algorithm);
  }

  /** Signs what a request of somebody outside the domain asks for. Throws as `signRequest`. */
  async signRequest(
    id: AuthorityId,
    of: {
      readonly requestPem: string;
      readonly issuer: Certificate;
      readonly lifetimeSeconds: number;
    },
  ): Promise<Certificate> {
    const privateKey = await this.#key(id);
    this.#clock.requireRight();
    return signRequest(of.requestPem, { certificate: of.issuer, privateKey }, of.lifetimeSeconds);
  }

  async requireUsable(id: AuthorityId): Promise<void> {
    await this.#key(id);
    this.#clock.requireRight();
  }

  /** Why the key file of an authority could not sign for its certificate; null: it could. */
  async problem(authority: Authority): Promise<string | null> {
    const path = this.#layout.authorityKey(authority.id);
    switch (await this.keyFile(authority)) {
      case "right":
        return null;
      case "missing":
        return `its key ${path} is missing`;
      case "another":
        return `its key ${path} is not that of its certificate`;
      case "unreadable":
        return `its key ${path} cannot be read as a private key`;
    }
  }

  /** What the key file of an authority holds; another key is that of another CA. */
  async keyFile(authority: Authority): Promise<"right" | "missing" | "another" | "unreadable"> {
    const path = this.#layout.authorityKey(authority.id);
    if (!(await exists(path))) return "missing";
    try {
      const key = await this.files.read(path);
      return isKeyOf(key, authorityChain(authority)[0]) ? "right" : "another";
    } catch {
      return "unreadable";
    }
  }

  async seal(id: AuthorityId, sealingKey: string): Promise<string> {
    return seal(privateKeyToPem(await this.#key(id)), Buffer.from(sealingKey, "base64"));
  }

  /** Puts a key into the home that was sealed for this Admin Node Manager. */
  async open(authority: Authority, sealed: string, sealingKey: KeyObject): Promise<void> {
    const { id } = authority;
    const pem = Buffer.from(await unseal(sealed, sealingKey)).toString("utf8");
    const key = privateKeyFromPem(pem, { what: `the sealed key of ${id}` });
    if (!isKeyOf(key, authorityChain(authority)[0]))
      throw new DomainError(
        "state-corrupt",
        `the sealed key of ${id} is not that of its certificate: have it shared again`,
      );
    await this.keep(id, key);
  }

  /** Puts the key of an authority into the home. Throws `authority-unavailable` while it is locked. */
  async keep(id: AuthorityId, key: KeyObject): Promise<void> {
    this.#forget(id);
    await this.files.write(this.#layout.authorityKey(id), key);
  }

  /** Removes the key from the home, and from this process and its workers. True if it was there. */
  async remove(id: AuthorityId): Promise<boolean> {
    const path = this.#layout.authorityKey(id);
    if (!(await exists(path))) return false;
    this.#forget(id);
    // The documented copies of it go first: nobody would find them again.
    const { domainKey, domainContainer } = this.#layout;
    const copy = await readFile(domainKey, "utf8").catch(() => null);
    if (copy === (await readFile(path, "utf8"))) {
      await rm(domainContainer, { force: true });
      await rm(domainKey);
    }
    await rm(path);
    return true;
  }

  #forget(id: AuthorityId): void {
    this.#keys.delete(id);
    if (this.#poolHas.delete(id)) this.#pool?.removeAuthority(id);
  }

  /** Signs with the key in this home, or asks another holder where it is not here. */
  async issueLeaf(job: LeafJob): Promise<IssuedLeaf> {
    try {
      return await this.issueHeld(job);
    } catch (error) {
      if (this.relay === null || !isDomainError(error, "authority-unavailable")) throw error;
      return this.relay(job, error);
    }
  }

  /** Signs with the key in this home. Throws `authority-unavailable` where this process cannot. */
  async issueHeld(job: LeafJob): Promise<IssuedLeaf> {
    const pool = await this.#poolFor(job);
    this.#clock.requireRight();
    const request = parseRequestPem(job.requestPem);
    const { der, serialHex } = await pool.issue({
      authorityId: job.authorityId,
      requestDer: request.der,
      ...leafTemplate(job),
      notBeforeMs: job.notBeforeMs,
      notAfterMs: job.notAfterMs,
      isProbe: job.isProbe,
    });
    return {
      der,
      serial: serialHex,
      fingerprint: certificateFingerprint({ der }, nodeCryptoPort),
      spki: spkiFingerprint(request.spki, nodeCryptoPort),
      notBeforeMs: job.notBeforeMs,
      notAfterMs: job.notAfterMs,
    };
  }

  async #poolFor(job: LeafJob): Promise<SigningPool> {
    this.#pool ??= createSigningPool({ size: Math.max(1, Math.min(4, cpus().length - 1)) });
    if (!this.#poolHas.has(job.authorityId)) {
      const [certificate] = parseCertificatesPem(job.issuerPem);
      if (certificate === undefined)
        throw new DomainError(
          "state-corrupt",
          `the store holds the authority ${job.authorityId} without a certificate`,
        );
      const privateKey = await this.#key(job.authorityId);
      if (!isKeyOf(privateKey, certificate))
        throw new DomainError(
          "authority-unavailable",
          `the key of the authority ${job.authorityId} on this host is not that of its certificate: put ${this.#layout.authorityKey(job.authorityId)} back from a backup`,
        );
      this.#pool.addAuthority(job.authorityId, { privateKey, certificate });
      this.#poolHas.add(job.authorityId);
    }
    return this.#pool;
  }

  async #key(id: AuthorityId): Promise<KeyObject> {
    const known = this.#keys.get(id);
    if (known !== undefined) return known;
    const path = this.#layout.authorityKey(id);
    if (!(await exists(path))) {
      throw new DomainError(
        "authority-unavailable",
        `the key of the authority ${id} is not on this host: no Admin Node Manager that is reached can sign with it`,
      );
    }
    const key = await this.files.read(path);
    this.#keys.set(id, key);
    return key;
  }

  async close(): Promise<void> {
    await this.#pool?.close();
  }
}

function isKeyOf(key: KeyObject, certificate: Certificate | undefined): boolean {
  return certificate !== undefined && Buffer.from(certificate.spki).equals(keyPairOf(key).spki);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
