import { DomainError, type AuthorityId, type CredentialId, type HostId } from "../kit/index.ts";
import {
  credentialId,
  fits,
  isSignedElsewhere,
  maySign,
  recordConfirmed,
  recordIssued,
  type Authority,
  type Credential,
  type Envelope,
  type RecordedKey,
} from "../domain/index.ts";
import { encodePem, leafValidity, parseRequestPem, spkiFingerprint } from "../pki/index.ts";
import { authorityChain } from "./authority-chain.ts";
import type { ControlEnvironment, IssuedLeaf, LeafJob } from "./environment.ts";
import { ownCredential, signingAuthority } from "./issuing-authority.ts";
import { leafNames } from "./leaf-names.ts";
import type { Issuance, StoreTransaction, StoreView } from "./ports.ts";
import { hostDocumentOf, isWaitingForHosts, publishTrust, requireHost } from "./publish-trust.ts";

/** A certificate that is durable in the issuance log, and what its holder needs with it. */
export interface CredentialIssued {
  readonly der: Uint8Array;
  readonly serial: string;
  readonly authorityId: AuthorityId;
  readonly sequence: number;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly renewFromMs: number;
  readonly renewUntilMs: number;
  readonly hostDocument: Envelope;
}

/**
 * Issues a certificate for a credential of `hostId`, for the key in the request; the one that there
 * is, if the same was asked for before and its answer may have been lost. The serial, the
 * new recorded key and the issuance are durable before this resolves. Throws `forbidden` for
 * another host's credential, `authority-unavailable` if the authority may not sign this.
 */
export async function issueCredential(
  env: ControlEnvironment,
  request: IssueRequest,
): Promise<CredentialIssued> {
  const before = await issuedBefore(env, request);
  if (before !== null) return before;
  try {
    return await issueAnew(env, request);
  } catch (error) {
    const meanwhile = await issuedBefore(env, request);
    if (meanwhile !== null) return meanwhile;
    throw error;
  }
}

interface IssueRequest {
  readonly hostId: HostId;
  readonly credentialId: CredentialId;
  readonly requestPem: string;
  /** Serial of the certificate that is presented while this one is asked for; null: none yet. */
  readonly presentedSerial: string | null;
  readonly actor: string;
}

/** What was issued last for the credential, if it is for this key and nobody has seen it yet. */
export async function issuedBefore(
  env: ControlEnvironment,
  { hostId, credentialId: id, requestPem }: IssueRequest,
): Promise<CredentialIssued | null> {
  const spki = spkiFingerprint(parseRequestPem(requestPem).spki, env.crypto);
  const issued = await env.store.read(async (view) => {
    const credential = await ownCredential(view, hostId, id);
    const newest = newestFor(credential, spki);
    if (newest === undefined || !fits(newest, credential.desired)) return null;
    const issuance = await view.issuances.find(newest.authorityId, newest.serial);
    return issuance === undefined ? null : { ...issuance, sequence: newest.sequence };
  });
  return issued && answerWith(env, hostId, issued);
}

function newestFor({ recorded, lastSequence }: Credential, spki: string): RecordedKey | undefined {
  return recorded.find(
    (key) => key.sequence === lastSequence && key.spki === spki && !key.confirmed,
  );
}

async function answerWith(
  env: ControlEnvironment,
  hostId: HostId,
  issued: Omit<CredentialIssued, "hostDocument" | "renewFromMs" | "renewUntilMs">,
): Promise<CredentialIssued> {
  const { der, serial, authorityId, sequence, notBeforeMs, notAfterMs } = issued;
  const hostDocument = await env.store.read((view) => hostDocumentOf(view, env, hostId));
  const slot = renewalSlot(env, issued);
  return { der, serial, authorityId, sequence, notBeforeMs, notAfterMs, ...slot, hostDocument };
}

async function issueAnew(
  env: ControlEnvironment,
  request: IssueRequest,
): Promise<CredentialIssued> {
  const { wanted, job } = await env.store.read(async (view) => {
    const credential = await ownCredential(view, request.hostId, request.credentialId);
    const wanted = credential.desired.minSequence;
    const authority = await signingAuthority(view, credential);
    if (isSignedElsewhere(authority)) return { wanted, job: null };
    return { wanted, job: await jobFrom(view, env, credential, authority, request.requestPem) };
  });
  if (job === null) return takeSigned(env, request);
  const { authorityId } = job;
  const leaf = await env.authorityKeys.issueLeaf(job);
  const { serial } = leaf;
  const entry = {
    actor: request.actor,
    action: "certificate.issue",
    subject: request.credentialId,
    detail: { serial, authority: authorityId },
  };
  const sequence = await env.store.write(entry, async (tx) => {
    const credential = await ownCredential(tx, request.hostId, request.credentialId);
    if (credential.desired.minSequence !== wanted) throw changedMeanwhile(credential);
    if (newestFor(credential, leaf.spki) !== undefined) throw changedMeanwhile(credential);
    return recordIssuance(tx, env, presenting(credential, request.presentedSerial), job, leaf);
  });
  return answerWith(env, request.hostId, { ...leaf, authorityId, sequence });
}

/** The certificate that was brought for the request. Throws `awaiting-signature` until it was. */
async function takeSigned(
  env: ControlEnvironment,
  request: IssueRequest,
): Promise<CredentialIssued> {
  const { credentialId: id, hostId } = request;
  const spki = spkiFingerprint(parseRequestPem(request.requestPem).spki, env.crypto);
  const entry = { actor: request.actor, action: "certificate.take", subject: id, detail: { spki } };
  const issued = await env.store.write(entry, async (tx) => {
    const credential = presenting(await ownCredential(tx, hostId, id), request.presentedSerial);
    const { authorityId, ...signed } = await signedFor(tx, credential, spki);
    const sequence = credential.lastSequence + 1;
    const { serial, notBeforeMs, notAfterMs } = signed;
    const key = { spki, serial, sequence, authorityId, notBeforeMs, notAfterMs, confirmed: false };
    await recordKey(tx, env, credential, key);
    await tx.signingRequests.remove(id);
    return { ...signed, authorityId, sequence };
  });
  return answerWith(env, hostId, issued);
}

async function signedFor(
  tx: StoreTransaction,
  credential: Credential,
  spki: string,
): Promise<Issuance> {
  const { id: authorityId } = await signingAuthority(tx, credential);
  const waiting = await tx.signingRequests.get(credential.id);
  if (
    waiting?.spki === spki &&
    waiting.authorityId === authorityId &&
    waiting.signedSerial !== null
  ) {
    const issuance = await tx.issuances.find(authorityId, waiting.signedSerial);
    if (issuance !== undefined) return issuance;
  }
  throw new DomainError(
    "awaiting-signature",
    `the certificate of ${credential.id} is signed elsewhere and was not brought yet: \`gatehouse signing list\` shows what is waited for`,
  );
}

/**
 * The end of the certificate that a request is to renew, ms since 1970. Null for a request that
 * nothing may hold up: a first certificate, or one that is wanted in place of the one presented.
 * Throws `forbidden` for another host's credential.
 */
export async function renewalDeadline(
  env: ControlEnvironment,
  request: {
    readonly hostId: HostId;
    readonly credentialId: CredentialId;
    readonly presentedSerial: string | null;
  },
): Promise<number | null> {
  const { recorded, desired } = await env.store.read((view) =>
    ownCredential(view, request.hostId, request.credentialId),
  );
  const presented = recorded.find(({ serial }) => serial === request.presentedSerial);
  return presented !== undefined && fits(presented, desired) ? presented.notAfterMs : null;
}

/**
 * A certificate that is presented counts as seen. Reports say so too, but they can get lost where
 * requests do not, and a key that was never seen is forgotten after a few tries.
 */
function presenting(credential: Credential, serial: string | null): Credential {
  if (serial === null) return credential;
  return { ...credential, recorded: recordConfirmed(credential.recorded, serial) };
}

/** A leaf with the names, or of the key, that were to be replaced must not count as the new one. */
function changedMeanwhile({ id }: Credential): DomainError {
  return new DomainError(
    "conflict",
    `what is wanted of ${id} changed while its certificate was being signed: ask again`,
  );
}

/** Appends a signed leaf to the log and records its key, if its authority is still the wanted one. */
async function recordIssuance(
  tx: StoreTransaction,
  env: ControlEnvironment,
  credential: Credential,
  job: LeafJob,
  leaf: IssuedLeaf,
): Promise<number> {
  const { authorityId } = job;
  if ((await signingAuthority(tx, credential)).id !== authorityId)
    throw changedMeanwhile(credential);
  const { serial, spki, notBeforeMs, notAfterMs } = leaf;
  const sequence = credential.lastSequence + 1;
  const issuedAtMs = env.clock.nowMs();
  await tx.issuances.append(
    leafIssuance(job, leaf, {
      kind: "leaf",
      serial,
      sequence,
      issuedAtMs,
      credentialId: credential.id,
    }),
  );
  const key: RecordedKey = {
    spki,
    serial,
    sequence,
    authorityId,
    notBeforeMs,
    notAfterMs,
    confirmed: false,
  };
  await recordKey(tx, env, credential, key);
  return sequence;
}

/** Records the key with its credential; an Admin Node Manager's key goes into the trust document. */
async function recordKey(
  tx: StoreTransaction,
  env: ControlEnvironment,
  credential: Credential,
  key: RecordedKey,
): Promise<void> {
  const recorded = recordIssued(credential.recorded, key);
  const { authorityId, minSequence, maxSequence } = credential.desired;
  // Created before another authority became current; or what a rollback kept is replaced. What the
  // rollback turned away from was seen, is newer than what is presented, and must not fit again.
  const desired = {
    authorityId: key.authorityId,
    minSequence: maxSequence === null ? minSequence : key.sequence,
    maxSequence: null,
  };
  const asDesired = authorityId === key.authorityId && maxSequence === null;
  if (asDesired)
    await tx.credentials.putRecorded({ id: credential.id, lastSequence: key.sequence, recorded });
  else await tx.credentials.put({ ...credential, desired, lastSequence: key.sequence, recorded });
  await tx.topology.raiseDocumentVersion(credential.hostId);
  const host = await requireHost(tx, credential.hostId);
  const isAdmin = host.nodeManager.isAdmin && credential.process === host.nodeManager.id;
  // After a restore the first publication names it.
  if (isAdmin && !(await isWaitingForHosts(tx))) await publishTrust(tx, env, {});
}

/**
 * Issues a probe certificate with a process's real profile from an authority that is being
 * introduced. It is logged like every other issuance, and refused by every peer but a probe's.
 */
export async function issueProbe(
  env: ControlEnvironment,
  request: {
    readonly hostId: HostId;
    readonly credentialId: CredentialId;
    readonly authorityId: AuthorityId;
    readonly requestPem: string;
  },
): Promise<{ readonly der: Uint8Array; readonly authority: Authority }> {
  const { job, authority } = await env.store.read((view) => probeJob(view, env, request));
  const leaf = await env.authorityKeys.issueLeaf(job);
  const { serial } = leaf;
  const entry = {
    actor: `host:${request.hostId}`,
    action: "certificate.probe",
    subject: request.credentialId,
    detail: { serial, authority: authority.id },
  };
  await env.store.write(entry, async (tx) => {
    await tx.issuances.append(
      leafIssuance(job, leaf, {
        kind: "probe",
        serial,
        sequence: null,
        issuedAtMs: env.clock.nowMs(),
        credentialId: request.credentialId,
      }),
    );
  });
  return { der: leaf.der, authority };
}

async function probeJob(
  view: StoreView,
  env: ControlEnvironment,
  request: Pick<LeafJob, "hostId" | "credentialId" | "authorityId" | "requestPem">,
): Promise<{ job: LeafJob; authority: Authority }> {
  const credential = await ownCredential(view, request.hostId, request.credentialId);
  const authority = await view.authorities.get(request.authorityId);
  if (
    authority === undefined ||
    authority.usage !== credential.usage ||
    !maySign(authority.status, "probe")
  ) {
    throw new DomainError(
      "authority-unavailable",
      `the authority ${request.authorityId} does not sign probes for ${credential.id}`,
    );
  }
  const job = await jobFrom(view, env, credential, authority, request.requestPem);
  const notAfterMs = env.clock.nowMs() + env.policy.probeLifetimeSeconds * 1000;
  return { authority, job: { ...job, isProbe: true, notAfterMs } };
}

/**
 * What another Admin Node Manager, which does not hold the key, may have signed: what this one
 * would sign itself for that credential, read from the store again and not from the request. Throws
 * as `issueCredential` and `issueProbe`, and `conflict` where another authority is to sign by now.
 */
export async function relayedJob(
  env: ControlEnvironment,
  request: Pick<LeafJob, "hostId" | "credentialId" | "authorityId" | "requestPem" | "isProbe">,
): Promise<LeafJob> {
  return env.store.read(async (view) => {
    if (request.isProbe) return (await probeJob(view, env, request)).job;
    const credential = await ownCredential(view, request.hostId, request.credentialId);
    const job = await leafJob(view, env, credential, request.requestPem);
    if (job.authorityId !== request.authorityId) throw changedMeanwhile(credential);
    return job;
  });
}

async function leafJob(
  view: StoreView,
  env: ControlEnvironment,
  credential: Credential,
  requestPem: string,
): Promise<LeafJob> {
  const authority = await signingAuthority(view, credential);
  return jobFrom(view, env, credential, authority, requestPem);
}

async function jobFrom(
  view: StoreView,
  env: ControlEnvironment,
  credential: Credential,
  authority: Authority,
  requestPem: string,
): Promise<LeafJob> {
  const host = await requireHost(view, credential.hostId);
  const validity = leafValidity({
    nowMs: env.clock.nowMs(),
    lifetimeSeconds: env.leafLifetimeSeconds?.() ?? env.policy.leafLifetimeSeconds,
    backdateSeconds: env.policy.backdateSeconds,
    issuerNotAfterMs: authority.notAfterMs,
  });
  return {
    hostId: credential.hostId,
    credentialId: credential.id,
    authorityId: authority.id,
    issuerPem: encodePem("CERTIFICATE", authorityChain(authority)[0].der),
    requestPem,
    notBeforeMs: validity.notBeforeMs,
    notAfterMs: validity.notAfterMs,
    isProbe: false,
    ...(await leafNames(view, credential, host)),
  };
}

function leafIssuance(
  job: LeafJob,
  leaf: IssuedLeaf,
  rest: Pick<Issuance, "kind" | "serial" | "sequence" | "issuedAtMs" | "credentialId">,
): Issuance {
  const { authorityId, subject } = job;
  return {
    ...rest,
    authorityId,
    subject,
    notBeforeMs: leaf.notBeforeMs,
    notAfterMs: leaf.notAfterMs,
    fingerprint: leaf.fingerprint,
    spki: leaf.spki,
    der: leaf.der,
  };
}

/** The slot in which to renew: it opens after a share of the life, and spreads a fleet over its length. */
function renewalSlot(
  env: ControlEnvironment,
  leaf: Pick<IssuedLeaf, "notBeforeMs" | "notAfterMs">,
): { renewFromMs: number; renewUntilMs: number } {
  // By the clock of who signed, which may be another's.
  const startMs = leaf.notBeforeMs + env.policy.backdateSeconds * 1000;
  const lifeMs = leaf.notAfterMs - startMs;
  const renewFromMs = startMs + lifeMs * env.policy.renewAfterShare;
  return {
    renewFromMs: Math.round(renewFromMs),
    renewUntilMs: Math.round(renewFromMs + lifeMs * env.policy.renewalSlotShare),
  };
}

/** A credential as it is when it is wanted for the first time, from the current authority. */
export async function newCredential(
  view: StoreView,
  owner: Pick<Credential, "process" | "hostId" | "usage">,
): Promise<Credential> {
  const authority = await view.authorities.current(owner.usage);
  return {
    ...owner,
    id: credentialId(owner.process, owner.usage),
    desired: { authorityId: authority.id, minSequence: 1, maxSequence: null },
    lastSequence: 0,
    recorded: [],
  };
}
