import { assert, DomainError, isDomainError, toHex, type HostId } from "../kit/index.ts";
import {
  emptyJournal,
  fits,
  follows,
  journalText,
  recordIssued,
  wantNewer,
  type Authority,
  type Credential,
  type LocalIssuance,
  type MergedJournal,
  type RecordedKey,
  type RefusedIssuance,
} from "../domain/index.ts";
import {
  bytesEqual,
  certificateFingerprint,
  isSignedBy,
  parseCertificatesPem,
  spkiFingerprint,
  utf8Encode,
  type Certificate,
} from "../pki/index.ts";
import { authorityChain } from "./authority-chain.ts";
import type { ControlEnvironment } from "./environment.ts";
import { findIssued } from "./find-issued.ts";
import { issuanceOf } from "./issuance-of.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { currentTrust, requireHost } from "./publish-trust.ts";
import { submitCertificates } from "./submit-certificates.ts";

/** How many refusals are kept to be shown; the audit log has all. */
const refusedMax = 20;

/**
 * Takes over the next entries of a host's journal, each in one transaction: the certificate goes into
 * the issuance log, the audit log says where it came from, and the key counts as recorded with it.
 * Entries that were taken over before change nothing. What does not fit is in the log all the same if
 * its CA signed it, is refused as a credential, and kept to be shown. Returns the number of the last entry
 * that was taken over. Throws `conflict` when something changed meanwhile: show them again.
 */
export async function mergeIssuances(
  env: ControlEnvironment,
  of: {
    readonly hostId: HostId;
    readonly entries: readonly LocalIssuance[];
    readonly actor: string;
  },
): Promise<number> {
  for (const entry of of.entries) {
    const journal = await env.store.read((view) => mergedJournal(view, of.hostId));
    const isAgain = entry.number === journal.number && hashOf(env, entry) === journal.hash;
    if (entry.number < journal.number || isAgain) continue;
    // The next one is to be shown first.
    if (entry.number > journal.number + 1) break;
    if (!follows(journal, entry)) {
      await noteBroken(env, { ...of, entry });
      break;
    }
    await mergeOne(env, { ...of, entry, certificate: parsed(entry) });
  }
  return (await env.store.read((view) => mergedJournal(view, of.hostId))).number;
}

interface Merge {
  readonly hostId: HostId;
  readonly entry: LocalIssuance;
  /** Undefined where it cannot be read. */
  readonly certificate: Certificate | undefined;
  readonly actor: string;
}

async function mergeOne(env: ControlEnvironment, merge: Merge): Promise<void> {
  const { hostId, entry, certificate, actor } = merge;
  // One for a key that waits answers its request, as if a person had brought it.
  if (entry.sequence === null && certificate !== undefined)
    await submitCertificates(env, { certificates: [certificate], actor });
  const refusal = await env.store.read((view) => refusalOf(view, env, merge));
  const { number, atMs, authorityId, credentialId: subject } = entry;
  const serial = certificate?.serialHex ?? null;
  const detail = { number, serial, authority: authorityId, issuedAtMs: atMs, refused: refusal };
  await env.store.write({ actor, action: "certificate.merge", subject, detail }, async (tx) => {
    const journal = await mergedJournal(tx, hostId);
    if (!follows(journal, entry) || (await refusalOf(tx, env, merge)) !== refusal)
      throw new DomainError("conflict", `${subject} changed meanwhile: show the journal again`);
    await takeOver(tx, env, merge, refusal);
    const isShown = refusal !== null && serial !== null;
    const refused = isShown ? [{ number, credentialId: subject, serial, reason: refusal }] : [];
    await tx.topology.putHost({
      ...(await requireHost(tx, hostId)),
      journal: {
        number,
        hash: hashOf(env, entry),
        refused: [...journal.refused.filter((each) => each.serial !== ""), ...refused].slice(
          -refusedMax,
        ),
      },
    });
  });
}

/** Why a certificate does not count as the one of its credential; null: it does. */
async function refusalOf(
  view: StoreView,
  env: ControlEnvironment,
  { hostId, entry, certificate }: Merge,
): Promise<string | null> {
  const { authorityId, credentialId: id, sequence } = entry;
  const authority = await view.authorities.get(authorityId);
  if (certificate === undefined || !isIssuedBy(env, certificate, authority))
    return `it is no certificate of ${authorityId}`;
  const host = await requireHost(view, hostId);
  const credential = await view.credentials.get(id);
  if (credential?.hostId !== hostId || host.status === "revoked")
    return `${id} is no credential of ${hostId} any more`;
  const known = await findIssued(view, authorityId, certificate.serialHex);
  if (known !== undefined && !bytesEqual(known.der, certificate.der))
    return `its serial number is that of another certificate of the same CA, of ${known.credentialId ?? known.subject}`;
  const spki = spkiFingerprint(certificate.spki, env.crypto);
  const fingerprint = certificateFingerprint(certificate, env.crypto);
  const { denied } = await currentTrust(view);
  if (denied.some((each) => each.fingerprint === (each.kind === "key" ? spki : fingerprint)))
    return "it is denied";
  if (sequence === null) return known === undefined ? "no request waits for its key" : null;
  if (!credential.recorded.some((key) => key.spki === spki))
    return "its key is not the one that is recorded";
  const isRecorded = credential.recorded.some((key) => key.serial === certificate.serialHex);
  return isRecorded || sequence > credential.lastSequence
    ? null
    : "a newer one was issued meanwhile";
}

function isIssuedBy(
  { crypto }: ControlEnvironment,
  certificate: Certificate,
  authority: Authority | undefined,
): authority is Authority {
  return authority !== undefined && isSignedBy(certificate, authorityChain(authority)[0], crypto);
}

/** Puts a certificate into the log, and on record unless it was refused. */
async function takeOver(
  tx: StoreTransaction,
  env: ControlEnvironment,
  { hostId, entry, certificate }: Merge,
  refusal: string | null,
): Promise<void> {
  const { authorityId, credentialId: id, sequence } = entry;
  const authority = await tx.authorities.get(authorityId);
  if (certificate === undefined || !isIssuedBy(env, certificate, authority)) return;
  const credential = await tx.credentials.get(id);
  const own = credential?.hostId === hostId ? credential : undefined;
  if ((await findIssued(tx, authorityId, certificate.serialHex)) === undefined) {
    const of = { authorityId, kind: "leaf", credentialId: own?.id ?? null } as const;
    await tx.issuances.append({ ...issuanceOf(env, certificate, of), sequence });
  }
  if (own === undefined || sequence === null) return;
  if (refusal === null) return record(tx, env, own, { authorityId, sequence, certificate });
  // The host presents what does not count: another one, with a key of its own, is to follow.
  const lastSequence = Math.max(own.lastSequence, sequence);
  const desired = wantNewer({ ...own, lastSequence });
  await tx.credentials.put({ ...own, lastSequence, desired });
}

/** Records another certificate for a key that is recorded. */
async function record(
  tx: StoreTransaction,
  env: ControlEnvironment,
  credential: Credential,
  of: Pick<RecordedKey, "authorityId" | "sequence"> & { readonly certificate: Certificate },
): Promise<void> {
  const { authorityId, sequence, certificate } = of;
  const { serialHex: serial, notBeforeMs, notAfterMs } = certificate;
  const spki = spkiFingerprint(certificate.spki, env.crypto);
  const before = credential.recorded.find((key) => key.spki === spki);
  assert(before !== undefined, "the key of a certificate that is not refused is recorded");
  if (credential.recorded.some((key) => key.serial === serial)) return;
  const dates = { notBeforeMs, notAfterMs };
  const key = { ...before, ...dates, serial, sequence, authorityId, confirmed: false };
  const recorded = recordIssued(credential.recorded, key);
  // What was to be replaced is not replaced by another certificate for the same key.
  const isOverdue = !credential.recorded.some((each) => fits(each, credential.desired));
  const desired =
    isOverdue && credential.desired.maxSequence === null
      ? { ...credential.desired, minSequence: sequence + 1 }
      : credential.desired;
  await tx.credentials.put({ ...credential, desired, lastSequence: sequence, recorded });
  if (!isOverdue && desired.collects === undefined) await tx.signingRequests.remove(credential.id);
}

/** A journal that does not go on where it ended was changed, or is that of a copied home. */
async function noteBroken(env: ControlEnvironment, of: Omit<Merge, "certificate">): Promise<void> {
  const { hostId, entry, actor } = of;
  const { number, credentialId: subject } = entry;
  const reason = `entry ${number} does not go on from what was taken over: the journal was changed, or the home is a copy`;
  const { refused } = await env.store.read((view) => mergedJournal(view, hostId));
  if (refused.some((each) => each.serial === "")) return;
  const detail = { number, refused: reason };
  await env.store.write({ actor, action: "certificate.merge", subject, detail }, async (tx) => {
    const broken: RefusedIssuance = { number, credentialId: subject, serial: "", reason };
    const journal = await mergedJournal(tx, hostId);
    await tx.topology.putHost({
      ...(await requireHost(tx, hostId)),
      journal: { ...journal, refused: [...journal.refused, broken] },
    });
  });
}

async function mergedJournal(view: StoreView, hostId: HostId): Promise<MergedJournal> {
  return (await requireHost(view, hostId)).journal ?? { ...emptyJournal, refused: [] };
}

function hashOf({ crypto }: ControlEnvironment, entry: LocalIssuance): string {
  return toHex(crypto.sha256(utf8Encode(journalText(entry))));
}

function parsed({ certificatePem }: LocalIssuance): Certificate | undefined {
  try {
    return parseCertificatesPem(certificatePem)[0];
  } catch (error) {
    if (isDomainError(error)) return undefined;
    throw error;
  }
}
