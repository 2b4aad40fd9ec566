import type { KeyObject } from "node:crypto";
import { access, readFile, rm } from "node:fs/promises";
import { cpus } from "node:os";
import { describeError, DomainError, isDomainError, type AuthorityId } from "../kit/index.ts";
import type { Authority, HomeLayout, KeyInToken } from "../domain/index.ts";
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
  neverLeaves,
  type AgreedClock,
  type AuthorityKeys,
  type IssuedLeaf,
  type LeafJob,
} from "../control/index.ts";
import {
  ensureFolder,
  generateKeyPair,
  keyPairOf,
  keySigner,
  nodeCryptoPort,
  privateKeyFromPem,
  privateKeyToPem,
  seal,
  signRequest,
  unseal,
  writeFileAtomic,
  type Signer,
} from "../keys/index.ts";
import { readStateFile } from "../transport/index.ts";
import { HomeToken } from "./home-token.ts";
import { KeyFiles } from "./key-files.ts";
import {
  createSigningPool,
  issueWithSigner,
  type SigningJob,
  type SigningPool,
} from "../keys/signing.ts";

/** Whether an authority's key can be used here. `another`: it is not that of its certificate. */
export type KeyState = "right" | "missing" | "another" | "unreadable" | "locked" | "unreachable";

/**
 * The authority keys in the home folder, and the worker threads that sign leaves with them; in place
 * of a key may be the name of one in a PKCS#11 token. What this home has no key for is relayed.
 */
export class FileAuthorityKeys implements AuthorityKeys {
  readonly #layout: HomeLayout;
  readonly #clock: Pick<AgreedClock, "requireRight">;
  readonly files: KeyFiles;
  readonly token: HomeToken;
  readonly #keys = new Map<AuthorityId, KeyObject>();
  #pool: SigningPool | null = null;
  readonly #poolHas = new Set<AuthorityId>();

  /** Asks other holders of the key; given why it cannot be used here. Null: there is nobody to ask. */
  relay: ((job: LeafJob, why: DomainError) => Promise<IssuedLeaf>) | null = null;

  constructor(layout: HomeLayout, clock: Pick<AgreedClock, "requireRight">) {
    this.#layout = layout;
    this.#clock = clock;
    this.files = new KeyFiles(layout);
    this.token = new HomeToken(layout);
  }

  async create(
    id: AuthorityId,
  ): Promise<{ readonly spki: Uint8Array; readonly token?: KeyInToken }> {
    const path = this.#layout.authorityKey(id);
    const isThere = (await exists(path)) || (await this.inToken(id)) !== null;
    if (!isThere && !(await this.#createInToken(id)))
      await this.files.write(path, (await generateKeyPair("ecdsa-p256")).privateKey);
    const token = await this.inToken(id);
    const { spki } = await this.#signer(id);
    return { spki, ...(token === null ? {} : { token }) };
  }

  /** False where this home names no token. A try before may have made the key already. */
  async #createInToken(id: AuthorityId): Promise<boolean> {
    const settings = await this.token.settings();
    if (settings === null) return false;
    const { token, domain } = settings;
    const label = `${id} of ${domain}`;
    if ((await this.token.keys.find(label)) === null) await this.token.keys.generate(label);
    await this.#refer(id, { token, label });
    return true;
  }

  async #refer(id: AuthorityId, key: KeyInToken): Promise<void> {
    await ensureFolder(this.#layout.authorityKeys, 0o700);
    await writeFileAtomic(this.#layout.authorityKeyInToken(id), `${JSON.stringify(key)}\n`, {
      mode: 0o600,
    });
  }

  /** Where the key is that this home uses for an authority; null: not in a token. */
  inToken(id: AuthorityId): Promise<KeyInToken | null> {
    return readStateFile<KeyInToken>(this.#layout.authorityKeyInToken(id));
  }

  /**
   * Uses the key of an authority that is in the token which this home names, from now on. False where
   * it is not there. Throws `authority-unavailable`.
   */
  async takeFromToken(authority: Authority): Promise<boolean> {
    const { id, token } = authority;
    if (token === undefined || (await this.token.settings())?.token !== token.token) return false;
    const spki = await this.token.keys.find(token.label);
    if (spki === null || !isKeyOf(spki, authorityChain(authority)[0])) return false;
    await this.#refer(id, token);
    return true;
  }

  /**
   * Destroys the key of an authority in the token, for everybody who reaches it. True if it was there.
   * Throws `authority-unavailable` where this home does not reach that token.
   */
  async destroyInToken({ id, token }: Pick<Authority, "id" | "token">): Promise<boolean> {
    const key = token ?? (await this.inToken(id));
    if (key === null) return false;
    if ((await this.token.settings())?.token !== key.token)
      throw new DomainError(
        "authority-unavailable",
        `this Admin Node Manager does not use the token ${key.token}, which has the key of ${id}: ask one that does with --anm-host`,
      );
    const wasThere = await this.token.keys.destroy(key.label);
    await this.remove(id);
    return wasThere;
  }

  /** True while a passphrase or a PIN is waited for. */
  async isLocked(): Promise<boolean> {
    return (await this.files.isLocked()) || (await this.token.isLocked());
  }

  /**
   * Takes what opens the keys here: the passphrase of the files, else the PIN of the token. False if
   * nothing was locked. Throws `forbidden` if it is wrong, and as `HomeToken.unlock`.
   */
  async unlock(secret: string): Promise<boolean> {
    if (await this.files.unlock(secret)) return true;
    if (!(await this.token.isLocked())) return false;
    await this.token.unlock(secret);
    return true;
  }

  async sign(
    id: AuthorityId,
    tbs: Uint8Array,
    algorithm?: SignatureAlgorithm,
  ): Promise<Uint8Array> {
    // Not often, and never with a file that was replaced meanwhile.
    this.#keys.delete(id);
    const signer = await this.#signer(id);
    this.#clock.requireRight();
    return signer.sign(tbs, algorithm);
  }

  /** Signs with the key of an authority in the token of this home, used here already or not. */
  async signInToken(authority: Authority, message: Uint8Array): Promise<Uint8Array | null> {
    const { token } = authority;
    if (token === undefined || (await this.token.settings())?.token !== token.token) return null;
    const signer = await this.token.keys.signer(token.label);
    this.#clock.requireRight();
    return signer.sign(message);
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
    const signer = await this.#signer(id);
    this.#clock.requireRight();
    return signRequest(of.requestPem, { certificate: of.issuer, signer }, of.lifetimeSeconds);
  }

  async requireUsable(id: AuthorityId): Promise<void> {
    await this.#signer(id);
    this.#clock.requireRight();
  }

  /** Why an authority's key could not sign for its certificate here, for people. */
  async problem({ id }: Authority, state: Exclude<KeyState, "right">): Promise<string> {
    const inToken = await this.inToken(id);
    const key =
      inToken === null
        ? `its key ${this.#layout.authorityKey(id)}`
        : `its key ${inToken.label} in the token ${inToken.token}`;
    switch (state) {
      case "missing":
        return `${key} is missing`;
      case "another":
        return `${key} is not that of its certificate`;
      case "unreadable":
        return `${key} cannot be read as a private key`;
      case "locked":
        return `${key} is locked`;
      case "unreachable":
        return `${key} cannot be reached: ${await this.#tokenProblem()}`;
    }
  }

  async #tokenProblem(): Promise<string> {
    return this.token.keys.find("").then(() => "it was away for a moment", describeError);
  }

  /** What this home has for an authority. */
  async keyState(authority: Authority): Promise<KeyState> {
    const { id } = authority;
    const inToken = await this.inToken(id);
    if (inToken !== null) return this.#stateInToken(authority, inToken);
    const path = this.#layout.authorityKey(id);
    if (!(await exists(path))) return "missing";
    try {
      const { spki } = keyPairOf(await this.files.read(path));
      return isKeyOf(spki, authorityChain(authority)[0]) ? "right" : "another";
    } catch {
      return "unreadable";
    }
  }

  async #stateInToken(authority: Authority, { token, label }: KeyInToken): Promise<KeyState> {
    // Another token, or none any more, as far as this home says.
    if ((await this.token.settings())?.token !== token) return "missing";
    if (await this.token.isLocked()) return "locked";
    try {
      const spki = await this.token.keys.find(label);
      if (spki === null) return "missing";
      return isKeyOf(spki, authorityChain(authority)[0]) ? "right" : "another";
    } catch {
      return "unreachable";
    }
  }

  async seal(id: AuthorityId, sealingKey: string): Promise<string> {
    const inToken = await this.inToken(id);
    if (inToken !== null) throw neverLeaves(id, inToken);
    return seal(privateKeyToPem(await this.#key(id)), Buffer.from(sealingKey, "base64"));
  }

  /** Puts a key into the home that was sealed for this Admin Node Manager. */
  async open(authority: Authority, sealed: string, sealingKey: KeyObject): Promise<void> {
    const { id } = authority;
    const pem = Buffer.from(await unseal(sealed, sealingKey)).toString("utf8");
    const key = privateKeyFromPem(pem, { what: `the sealed key of ${id}` });
    if (!isKeyOf(keyPairOf(key).spki, authorityChain(authority)[0]))
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

  /**
   * Removes the key from the home, and from this process and its workers. True if it was there. One
   * in a token stays there: others may use it.
   */
  async remove(id: AuthorityId): Promise<boolean> {
    if ((await this.inToken(id)) !== null) {
      this.#forget(id);
      await rm(this.#layout.authorityKeyInToken(id));
      return true;
    }
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
    const issue = await this.#issuerFor(job);
    this.#clock.requireRight();
    const request = parseRequestPem(job.requestPem);
    const { der, serialHex } = await issue({
      authorityId: job.authorityId,
      requestDer: request.der,
      ...leafTemplate(job),
      notBeforeMs: job.notBeforeMs,
      notAfterMs: job.notAfterMs,
      // A server written in Go cannot read a certificate with the mark: its identifier is too long.
      isProbe: job.isProbe && job.profile !== "member",
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

  /** By a worker, or by the token. */
  async #issuerFor(job: LeafJob): Promise<(job: SigningJob) => ReturnType<SigningPool["issue"]>> {
    const { authorityId: id } = job;
    const pool = (this.#pool ??= createSigningPool({
      size: Math.max(1, Math.min(4, cpus().length - 1)),
    }));
    const byWorker = (each: SigningJob) => pool.issue(each);
    if (this.#poolHas.has(id)) return byWorker;
    const issuer = issuerOf(job);
    const inToken = await this.inToken(id);
    if (inToken !== null) {
      const signer = await this.#signer(id);
      this.#requireKeyOf(issuer, id, signer.spki);
      return (each) => issueWithSigner(each, issuer, signer);
    }
    const privateKey = await this.#key(id);
    this.#requireKeyOf(issuer, id, keyPairOf(privateKey).spki);
    pool.addAuthority(id, { privateKey, certificate: issuer });
    this.#poolHas.add(id);
    return byWorker;
  }

  #requireKeyOf(issuer: Certificate, id: AuthorityId, spki: Uint8Array): void {
    if (isKeyOf(spki, issuer)) return;
    throw new DomainError(
      "authority-unavailable",
      `the key of the authority ${id} on this host is not that of its certificate: put ${this.#layout.authorityKey(id)} back from a backup`,
    );
  }

  async #signer(id: AuthorityId): Promise<Signer> {
    const inToken = await this.inToken(id);
    if (inToken === null) return keySigner(await this.#key(id));
    return this.token.keys.signer(inToken.label);
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
    await this.token.keys.close();
    await this.#pool?.close();
  }
}

function isKeyOf(spki: Uint8Array, certificate: Certificate | undefined): boolean {
  return certificate !== undefined && Buffer.from(certificate.spki).equals(spki);
}

function issuerOf({ issuerPem, authorityId }: LeafJob): Certificate {
  const [certificate] = parseCertificatesPem(issuerPem);
  if (certificate !== undefined) return certificate;
  throw new DomainError(
    "state-corrupt",
    `the store holds the authority ${authorityId} without a certificate`,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
