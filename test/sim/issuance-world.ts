import { createHash } from "node:crypto";
import { expect } from "vitest";
import {
  assert,
  isDomainError,
  type AuthorityId,
  type CredentialId,
  type HostId,
} from "../../src/kit/index.ts";
import {
  fits,
  journalText,
  type Authority,
  type Credential,
  type LocalIssuance,
} from "../../src/domain/index.ts";
import {
  advanceRollout,
  authorityChain,
  cancelSigningRequest,
  createInstance,
  createPlan,
  elsewhereSigned,
  importIssuances,
  initializeDomain,
  issueCredential,
  mergeIssuances,
  relayedJob,
  requestSignature,
  rollBack,
  startRollout,
  submitCertificates,
  waiveGate,
  type AuthorityKeys,
  type ControlEnvironment,
  type CredentialIssued,
  type Issuance,
  type IssuedLeaf,
  type Leadership,
  type LeafJob,
} from "../../src/control/index.ts";
import { requestForKey, type KeyPair } from "../../src/keys/index.ts";
import {
  bytesEqual,
  certificateFingerprint,
  encodePem,
  isSignedBy,
  leafTemplate,
  parseCertificate,
  parseCertificatesPem,
  parseNameText,
  parseRequestPem,
  type Certificate,
} from "../../src/pki/index.ts";
import { dayMs, testCertificate, type TestAuthority } from "../support/certificates.ts";
import {
  claimTestLease,
  newRequest,
  testActor as actor,
  testEnvironment,
  type TestEnvironment,
} from "../support/control-environment.ts";
import { settleAgents } from "../support/instant-agents.ts";
import { Crash, crashing, type CrashPoint } from "./store-wrappers.ts";

const hostId = "host-1" as HostId;
const management = "management" as const;

/** The CAs that the domain may be given, by the way in which they sign. */
export type GivenCas = Readonly<Record<"provided" | "external", TestAuthority>>;
export type Way = "generated" | keyof GivenCas;

/** A key that a host has made, until its certificate is there. */
interface Pending {
  readonly keys: KeyPair;
  readonly requestPem: string;
}

/** What a host has of a certificate. */
type Held = Pick<CredentialIssued, "der" | "serial" | "authorityId" | "sequence">;

const pem = (certificate: Certificate): string => encodePem("CERTIFICATE", certificate.der);

/**
 * One host with an instance, the CAs elsewhere, and whoever carries requests and certificates
 * between them: the real use cases over a store at which they can be made to crash.
 */
export class IssuanceWorld {
  readonly #env: TestEnvironment;
  /** Another Admin Node Manager's, without a key: it has the first one sign. */
  readonly #relaying: ControlEnvironment;
  readonly #cas: GivenCas;
  readonly #crashAt: (point: CrashPoint | null) => void;
  readonly #leadership: Leadership;
  readonly #pending = new Map<CredentialId, Pending>();
  /** What CAs elsewhere have signed, right or wrong. */
  readonly #pool: Certificate[] = [];
  readonly #taken: { readonly id: CredentialId; readonly issued: Held }[] = [];
  readonly #accepted: Certificate[] = [];
  readonly #imported: Certificate[] = [];
  readonly #journal: LocalIssuance[] = [];
  #merged = 0;
  /** The number of the last certificate of each credential that was refused: it is not given again. */
  readonly #void = new Map<CredentialId, number>();
  /** How often something came about, so that a test can tell that it did. */
  readonly seen: Record<string, number> = {};

  private constructor(of: {
    env: TestEnvironment;
    cas: GivenCas;
    crashAt: (point: CrashPoint | null) => void;
    leadership: Leadership;
  }) {
    this.#env = of.env;
    this.#cas = of.cas;
    this.#crashAt = of.crashAt;
    this.#leadership = of.leadership;
    this.#relaying = { ...of.env, authorityKeys: relaying(of.env) };
  }

  static async open(way: Way, cas: GivenCas): Promise<IssuanceWorld> {
    const real = await testEnvironment();
    const { store, crashAt } = crashing(real.store);
    const env = { ...real, store };
    await initializeDomain(env, {
      domainId: "domain.example",
      domainName: "CN=Domain",
      hostName: "alpha",
      address: "alpha.example",
      nodeManagerName: "Node Manager on alpha",
      port: 8090,
      administrator: { name: "admin", password: "secret" },
      ...(way === "generated" ? {} : { given: given(way, cas) }),
    });
    await createInstance(env, { name: "one", group: "edge", hostId, actor });
    const world = new IssuanceWorld({ env, cas, crashAt, leadership: await claimTestLease(env) });
    await world.settle();
    return world;
  }

  close(): Promise<void> {
    return this.#env.store.close();
  }

  /**
   * Does something that may be refused, with a crash at one of its transactions, after which it is
   * done once more. What is neither refused nor a crash fails the test.
   */
  async attempt(crash: CrashPoint | null, work: () => Promise<void>): Promise<void> {
    this.#crashAt(crash);
    let hasCrashed = false;
    try {
      await work();
    } catch (error) {
      hasCrashed = error instanceof Crash;
      if (!hasCrashed && !isDomainError(error)) throw error;
    } finally {
      this.#crashAt(null);
    }
    if (hasCrashed) await this.attempt(null, work);
  }

  #count(what: string): void {
    this.seen[what] = (this.seen[what] ?? 0) + 1;
  }

  credentials(): Promise<Credential[]> {
    return this.#env.store.read((view) => view.credentials.all());
  }

  #authorities(): Promise<Authority[]> {
    return this.#env.store.read((view) => view.authorities.all());
  }

  async #chosen(which: number): Promise<Credential> {
    const all = await this.credentials();
    const credential = all[which % all.length];
    assert(credential !== undefined, "the domain has credentials");
    return credential;
  }

  /** A host asks for a signature elsewhere, for the key that it has or for another. */
  async request(which: number, isNewKey: boolean): Promise<void> {
    const { id } = await this.#chosen(which);
    const { requestPem } = await this.#pendingFor(id, isNewKey);
    await requestSignature(this.#env, { hostId, credentialId: id, requestPem, actor });
  }

  async #pendingFor(id: CredentialId, isNewKey = false): Promise<Pending> {
    const known = this.#pending.get(id);
    if (known !== undefined && !isNewKey) return known;
    const leaf = await this.#env.store.read(async (view) => {
      const credential = await view.credentials.get(id);
      return credential === undefined ? null : elsewhereSigned(view, credential);
    });
    const { keys, pem: anyRequest } = await newRequest();
    const requestPem =
      leaf === null
        ? anyRequest
        : await requestForKey(keys.privateKey, leaf.subject, leafTemplate(leaf));
    const pending = { keys, requestPem };
    this.#pending.set(id, pending);
    return pending;
  }

  /** A CA elsewhere signs a request that waits: as asked, for another's names, or with a used serial. */
  async sign(which: number, how: "well" | "swapped" | "used-serial"): Promise<void> {
    const waiting = await this.#env.store.read((view) => view.signingRequests.all());
    const request = waiting[which % waiting.length];
    if (request === undefined) return;
    const named = how === "swapped" ? waiting[(which + 1) % waiting.length] : request;
    const wanted = await this.#env.store.read(async (view) => {
      const credential = await view.credentials.get(named?.id ?? request.id);
      return credential === undefined ? null : elsewhereSigned(view, credential);
    });
    const authority = (await this.#authorities()).find(({ id }) => id === request.authorityId);
    const ca = Object.values(this.#cas).find(
      ({ certificate }) => pem(certificate) === authority?.certificatePem,
    );
    if (wanted === null || ca === undefined) return;
    const used = how === "used-serial" ? this.#pool.at(which % (this.#pool.length || 1)) : null;
    this.#pool.push(
      testCertificate(ca, parseRequestPem(request.requestPem).spki, {
        ...leafTemplate(wanted),
        ...(used ? { serial: Uint8Array.from(Buffer.from(used.serialHex, "hex")) } : {}),
        notAfterMs: this.#env.clock.nowMs() + 400 * dayMs,
      }),
    );
    this.#count(`signed ${how}`);
  }

  /** Somebody brings some of what was signed last, in one piece. */
  async submit(from: number, count: number): Promise<void> {
    const end = Math.max(0, this.#pool.length - from);
    const certificates = this.#pool.slice(Math.max(0, end - count), end);
    const submissions = await submitCertificates(this.#env, { certificates, actor });
    for (const [i, { id, differences }] of submissions.entries()) {
      const certificate = certificates[i];
      if (id === null || certificate === undefined) continue;
      if (differences.length === 0) this.#accepted.push(certificate);
      this.#count(differences.length === 0 ? "accepted" : "refused");
    }
  }

  /** A host asks for its certificate, for the key that waits or another: signed here, relayed, or brought. */
  async take(which: number, isRelayed = false, isNewKey = false): Promise<void> {
    const { id, desired, recorded } = await this.#chosen(which);
    const { requestPem } = await this.#pendingFor(id, isNewKey);
    const presented = recorded.findLast((key) => fits(key, desired));
    const env = isRelayed ? this.#relaying : this.#env;
    const issued = await issueCredential(env, {
      hostId,
      credentialId: id,
      requestPem,
      presentedSerial: presented?.serial ?? null,
      actor,
    });
    this.#taken.push({ id, issued });
    this.#pending.delete(id);
    this.#count(isRelayed ? "relayed" : "taken");
  }

  async cancel(which: number, isKeyKept: boolean): Promise<void> {
    const { id } = await this.#chosen(which);
    await cancelSigningRequest(this.#env, id, actor);
    if (!isKeyKept) this.#pending.delete(id);
    this.#count("cancelled");
  }

  /** The CA has signed outside of the domain, and what it wrote is imported: some of it was brought too. */
  async import(which: number, isOfPool: boolean): Promise<void> {
    const authorities = await this.#authorities();
    const authority = authorities[which % authorities.length];
    assert(authority !== undefined, "the domain has authorities");
    const certificates = isOfPool ? this.#pool : [await this.#signedOutside(authority)];
    const reused = await importIssuances(this.#env, authority, certificates);
    const [issuer] = authorityChain(authority);
    const known = certificates.filter(
      (each) => isSignedBy(each, issuer, this.#env.crypto) && !reused.includes(each),
    );
    this.#imported.push(...known);
    if (known.length > 0) this.#count("imported");
  }

  async #signedOutside(authority: Authority): Promise<Certificate> {
    const names = { subject: parseNameText("CN=a stranger") };
    const { keys, pem: requestPem } = await newRequest();
    const ca = Object.values(this.#cas).find(
      ({ certificate }) => pem(certificate) === authority.certificatePem,
    );
    if (ca !== undefined) {
      const certificate = testCertificate(ca, keys.spki, names);
      this.#pool.push(certificate);
      return certificate;
    }
    const { authorityKeys, clock } = this.#env;
    const leaf = await authorityKeys.issueLeaf({
      hostId,
      credentialId: "of nobody" as CredentialId,
      authorityId: authority.id,
      issuerPem: authority.certificatePem,
      requestPem,
      notBeforeMs: clock.nowMs(),
      notAfterMs: clock.nowMs() + dayMs,
      isProbe: false,
      profile: "traffic",
      subject: "CN=a stranger",
      alternativeNames: ["DNS:stranger.example"],
    });
    return parseCertificate(leaf.der);
  }

  /** With no Admin Node Manager a host gets another certificate for the key it has, well signed or with a used serial. */
  async issueLocally(which: number, isUsedSerial: boolean): Promise<void> {
    const { id } = await this.#chosen(which);
    const held = this.#taken.findLast((each) => each.id === id)?.issued;
    const authority = (await this.#authorities()).find((each) => each.id === held?.authorityId);
    const ca = Object.values(this.#cas).find(
      ({ certificate }) => pem(certificate) === authority?.certificatePem,
    );
    if (held === undefined || ca === undefined) return;
    const { subject, spki } = parseCertificate(held.der);
    const used = isUsedSerial ? this.#pool.at(-1) : undefined;
    const certificate = testCertificate(ca, spki, {
      subject,
      ...(used ? { serial: Uint8Array.from(Buffer.from(used.serialHex, "hex")) } : {}),
    });
    const last = this.#journal.at(-1);
    const earlier = this.#journal.filter(({ credentialId }) => credentialId === id);
    this.#journal.push({
      number: this.#journal.length + 1,
      previous: last === undefined ? null : hashOf(last),
      atMs: this.#env.clock.nowMs(),
      credentialId: id,
      authorityId: held.authorityId,
      sequence: Math.max(held.sequence, ...earlier.map(({ sequence }) => sequence ?? 0)) + 1000,
      certificatePem: pem(certificate),
    });
    this.#count("issued locally");
  }

  /** The host shows its journal: all of it, or what comes after a few entries. */
  async merge(from: number): Promise<void> {
    const entries = this.#journal.slice(Math.min(from, this.#merged));
    const merged = await mergeIssuances(this.#env, { hostId, entries, actor });
    const host = await this.#env.store.read((view) => view.topology.host(hostId));
    expect(merged, "what was merged stays merged").toBeGreaterThanOrEqual(this.#merged);
    for (const entry of this.#journal.slice(this.#merged, merged)) {
      const { number, credentialId: id, authorityId, sequence, certificatePem } = entry;
      const isRefused = host?.journal?.refused.some((each) => each.number === number) === true;
      this.#count(isRefused ? "merge refused" : "merged");
      const [certificate] = parseCertificatesPem(certificatePem);
      assert(certificate !== undefined && sequence !== null, "the journal has certificates");
      if (isRefused) this.#void.set(id, sequence);
      else {
        const { der, serialHex: serial } = certificate;
        const issued = { der, serial, authorityId, sequence };
        this.#taken.push({ id, issued });
      }
    }
    this.#merged = merged;
  }

  /** Begins to sign in another way, unless the way is being changed. */
  async change(way: Way): Promise<void> {
    const env = this.#env;
    const [open] = await env.store.read((view) => view.rollouts.open());
    if (open !== undefined) return;
    const wish = {
      kind: "rotate-ca",
      usages: [management],
      observeSeconds: 0,
      subject: null,
      signing: way,
      ...(way === "generated" ? {} : { authority: given(way, this.#cas) }),
    } as const;
    const { id } = await startRollout(env, (await createPlan(env, wish, actor)).id, actor);
    const waiver = { subject: "unmanaged:management", phase: "observe", reason: "known" };
    await waiveGate(env, id, { ...waiver, lifetimeSeconds: 1e7 }, actor);
  }

  async rollBack(): Promise<void> {
    const [open] = await this.#env.store.read((view) => view.rollouts.open());
    if (open !== undefined) await rollBack(this.#env, open.id, actor);
  }

  /** Everybody does what is wanted of him, and the rollout makes its next moves. */
  async advance(moves: number): Promise<void> {
    for (let i = 0; i < moves; i++) {
      await this.settle();
      const [open] = await this.#env.store.read((view) => view.rollouts.open());
      if (open === undefined) return;
      const move = await advanceRollout(this.#env, this.#leadership, open.id, 0);
      if (move.do === "finish")
        this.#count(open.status === "running" ? "completed" : "rolled back");
    }
  }

  /** Whatever is wanted is asked for, signed, brought and taken; then every host reports. */
  async settle(): Promise<void> {
    const all = await this.credentials();
    for (const [which, { id, recorded, desired }] of all.entries()) {
      if (desired.collects === undefined && recorded.some((key) => fits(key, desired))) continue;
      const isElsewhere = await this.#env.store.read(async (view) => {
        const credential = await view.credentials.get(id);
        return credential !== undefined && (await elsewhereSigned(view, credential)) !== null;
      });
      if (isElsewhere) await this.#haveSigned(which, id);
      if (desired.collects === undefined) await this.take(which);
    }
    await settleAgents(this.#env);
  }

  async #haveSigned(which: number, id: CredentialId): Promise<void> {
    const find = () => this.#env.store.read((view) => view.signingRequests.get(id));
    // A key that was made before the CA was chosen may not ask for everything.
    const isOwn = (await find())?.spki !== undefined && this.#pending.has(id);
    await this.request(which, !isOwn);
    if ((await find())?.signedSerial !== null) return;
    const waiting = await this.#env.store.read((view) => view.signingRequests.all());
    await this.sign(
      waiting.findIndex((request) => request.id === id),
      "well",
    );
    await this.submit(0, 1);
  }

  /** What has to hold after every sequence. */
  async check(): Promise<void> {
    await this.merge(0);
    expect(this.#merged, "all of the journal is merged").toBe(this.#journal.length);
    const { store, crypto } = this.#env;
    const log = (await store.read((view) => view.issuances.page({}, 10_000))).map(
      ({ issuance }) => issuance,
    );
    const authorities = await this.#authorities();
    const issuerOf = (id: AuthorityId): string => {
      const authority = authorities.find((each) => each.id === id);
      assert(authority !== undefined, "an issuance names an authority of the store");
      return certificateFingerprint(authorityChain(authority)[0], crypto);
    };
    const serials = log.map(({ authorityId, serial }) => `${issuerOf(authorityId)} ${serial}`);
    expect(new Set(serials).size, "every serial of a CA is there once").toBe(serials.length);
    for (const certificate of [...this.#accepted, ...this.#imported])
      expect(entryOf(log, certificate.der), "what was accepted is in the log").toBeDefined();
    for (const { issued } of this.#taken)
      expect(entryOf(log, issued.der), "what a host took is in the log").toMatchObject({
        serial: issued.serial,
        authorityId: issued.authorityId,
      });
    for (const { certificatePem } of this.#journal)
      for (const { serialHex } of parseCertificatesPem(certificatePem))
        expect(serials.some((text) => text.endsWith(` ${serialHex}`))).toBe(true);
    for (const credential of await this.credentials()) this.#checkCredential(log, credential);
  }

  /** What is recorded is in the log; what its host has last is recorded, with the key that it has. */
  #checkCredential(
    log: readonly Issuance[],
    { id, recorded, lastSequence }: Pick<Credential, "id" | "recorded" | "lastSequence">,
  ): void {
    const taken = this.#taken.filter((each) => each.id === id).map(({ issued }) => issued);
    for (const { spki, serial, authorityId, sequence } of recorded) {
      const known = log.find((each) => each.serial === serial && each.authorityId === authorityId);
      expect(known, `${id} ${sequence} is in the log`).toMatchObject({ spki, credentialId: id });
      const held = taken.find((each) => each.sequence === sequence);
      if (held !== undefined) expect(held.serial, `${id} ${sequence}`).toBe(serial);
    }
    const newest = taken.at(-1);
    expect(recorded.at(-1), `what the host of ${id} has is recorded`).toMatchObject({
      serial: newest?.serial,
      sequence: newest?.sequence,
    });
    const last = Math.max(newest?.sequence ?? 0, this.#void.get(id) ?? 0);
    expect(lastSequence, `no number of ${id} is given again`).toBe(last);
  }
}

function entryOf(log: readonly Issuance[], der: Uint8Array): Issuance | undefined {
  return log.find((each) => bytesEqual(each.der, der));
}

function hashOf(entry: LocalIssuance): string {
  return createHash("sha256").update(journalText(entry)).digest("hex");
}

function given(way: keyof GivenCas, cas: GivenCas) {
  return { signing: way, certificatePem: pem(cas[way].certificate), intermediatesPem: "" };
}

function relaying(env: ControlEnvironment): AuthorityKeys {
  const keys = Object.create(env.authorityKeys) as AuthorityKeys;
  return Object.assign(keys, {
    issueLeaf: async (job: LeafJob): Promise<IssuedLeaf> =>
      env.authorityKeys.issueLeaf(await relayedJob(env, job)),
  });
}
