import { createPrivateKey, type KeyObject } from "node:crypto";
import {
  describeError,
  DomainError,
  isDomainError,
  type CredentialId,
  type ProcessId,
} from "../kit/index.ts";
import {
  anchorsFor,
  restoredNumberGap,
  type Anchor,
  type AuthoritySigning,
  type LocalIssuance,
} from "../domain/index.ts";
import {
  bytesEqual,
  certificateText,
  differencesFromRequest,
  encodePem,
  formatName,
  isAuthorityCertificate,
  issuanceDifferences,
  namesEqual,
  parseCertificatesPem,
  parseRequestPem,
  spkiFingerprint,
  type Certificate,
  type CertificateDifference,
} from "../pki/index.ts";
import type { DesiredState, SubmissionView } from "../contract/index.ts";
import { nodeCryptoPort, readGeneration, readPendingKey, requestForKey } from "../keys/index.ts";
import { readIdentity } from "../transport/index.ts";
import type { AdminLink } from "./admin-link.ts";
import { installIssued, presentAndPrune, readFolder } from "./credential-folder.ts";
import { folderOf, keysOf } from "./credentials.ts";
import { IssuanceJournal } from "./issuance-journal.ts";
import type { Instances } from "./instances.ts";
import { anchorChain, anchorOf, requireTrusted } from "./local-trust.ts";
import type { NodeState } from "./node-state.ts";

type WantedCredential = DesiredState["credentials"][number];

/** A certificate that ends sooner would have to be asked for again at once. */
const lifetimeSecondsMin = 3600;
/** How many entries are shown to an Admin Node Manager at once. */
const entriesMax = 50;

/** Why entries may be taken over at the next try. */
const soonOver = ["unreachable", "timeout", "conflict", "store-unavailable"] as const;

/** A request for another certificate of a key that is in use. */
export interface LocalRequest {
  readonly credentialId: CredentialId;
  readonly requestPem: string;
}

/** What this host presents for a credential. */
interface InUse {
  readonly wanted: WantedCredential;
  readonly folder: string;
  readonly certificate: Certificate;
  readonly privateKey: KeyObject;
}

/**
 * Certificates that this host takes while no Admin Node Manager can be asked. Its peers accept the keys
 * that the signed documents name and no other, so it is another certificate for the key in use, from a
 * CA that all of them trust. Each is in the journal before it is used.
 */
export class LocalIssuing {
  readonly #state: NodeState;
  readonly #instances: Pick<Instances, "reload">;
  #journal: IssuanceJournal | null = null;
  /** The last entry that the Admin Node Managers have; null: nobody was asked since the last connection. */
  #merged: number | null = null;

  constructor(state: NodeState, instances: Pick<Instances, "reload">) {
    this.#state = state;
    this.#instances = instances;
  }

  async #openJournal(): Promise<IssuanceJournal> {
    this.#journal ??= await IssuanceJournal.open(this.#state.layout.issuanceJournal);
    return this.#journal;
  }

  /**
   * Requests that ask for what the present certificates say, for the same keys: for all management
   * certificates of this host, or those of some processes. `signer` is the CA that is to sign them, where
   * it is at hand. Throws `conflict` with the hosts that do not trust it, `not-found`.
   */
  async request(of: {
    readonly processes: readonly ProcessId[];
    readonly signer: Certificate | null;
  }): Promise<{ signing: AuthoritySigning; requests: LocalRequest[] }> {
    const anchors = anchorsFor(this.#state.trust.document, "management");
    if (of.signer === null && anchors.every(({ signing }) => signing === undefined))
      return { signing: "generated", requests: [] };
    const all = await this.#inUse();
    const stranger = of.processes.find((id) => all.every(({ wanted }) => wanted.process !== id));
    const [own] = all;
    if (stranger !== undefined || own === undefined)
      throw new DomainError(
        "not-found",
        `${stranger ?? "this host"} has no management certificate here: ${all.map(({ wanted }) => wanted.process).join(", ") || "none"} has`,
      );
    const requests: LocalRequest[] = [];
    for (const each of all) {
      const { wanted } = each;
      if (of.processes.length > 0 && !of.processes.includes(wanted.process)) continue;
      const anchor = anchorOf(this.#state, wanted);
      if (of.signer !== null) requireTrusted(this.#state, anchor, of.signer);
      requests.push({ credentialId: wanted.id, requestPem: await requestAgain(each) });
    }
    return { signing: anchorOf(this.#state, own.wanted).signing ?? "generated", requests };
  }

  /** Takes certificates for keys in use: each is checked, put into the journal, and presented. */
  take(certificates: readonly Certificate[]): Promise<SubmissionView[]> {
    return this.#state.installing(() => this.#take(certificates));
  }

  async #take(certificates: readonly Certificate[]): Promise<SubmissionView[]> {
    await this.#resume();
    const all = await this.#inUse();
    const submissions: SubmissionView[] = [];
    for (const certificate of certificates.filter((each) => !isAuthorityCertificate(each))) {
      const inUse = all.find((each) => bytesEqual(each.certificate.spki, certificate.spki));
      submissions.push(
        inUse === undefined ? unknownKey(certificate) : await this.#takeOne(inUse, certificate),
      );
    }
    return submissions;
  }

  async #takeOne(inUse: InUse, certificate: Certificate): Promise<SubmissionView> {
    const { wanted, folder } = inUse;
    const answer = { id: wanted.id, certificate: certificateText(certificate) };
    const { kept } = await readFolder(folder);
    const known = await this.#known(folder, kept);
    if (known.some(({ der }) => bytesEqual(der, certificate.der)))
      return { ...answer, differences: [] };
    const anchor = anchorOf(this.#state, wanted);
    const differences = [
      ...usedSerial(certificate, known),
      ...differencesFrom(await requestAgain(inUse), certificate, anchor),
    ];
    if (differences.length > 0) return { ...answer, differences };
    const highest = Math.max(wanted.presentableSequence, ...kept.map((each) => each.sequence));
    // An Admin Node Manager may have given numbers to certificates that never came here.
    const sequence = highest + restoredNumberGap;
    await this.#install(inUse, await this.#keep(wanted, anchor.authorityId, sequence, certificate));
    return { ...answer, differences: [] };
  }

  /**
   * Keeps certificates for the keys that wait here for a request that the Admin Node Managers know. No
   * peer knows these keys yet: the certificates go to an Admin Node Manager when one is back.
   */
  keepForLater(certificates: readonly Certificate[]): Promise<SubmissionView[]> {
    return this.#state.installing(() => this.#keepForLater(certificates));
  }

  async #keepForLater(certificates: readonly Certificate[]): Promise<SubmissionView[]> {
    const waiting = await this.#waiting();
    const submissions: SubmissionView[] = [];
    for (const certificate of certificates.filter((each) => !isAuthorityCertificate(each))) {
      const spki = spkiFingerprint(certificate.spki, nodeCryptoPort);
      const found = waiting.find((each) => each.spki === spki);
      if (found === undefined) {
        submissions.push(unknownKey(certificate));
        continue;
      }
      const { wanted, authorityId, requestPem } = found;
      const anchor = anchorOf(this.#state, { ...wanted, authorityId });
      const known = await this.#known("", []);
      const isKept = known.some(({ der }) => bytesEqual(der, certificate.der));
      const differences = isKept
        ? []
        : [...usedSerial(certificate, known), ...differencesFrom(requestPem, certificate, anchor)];
      if (differences.length === 0 && !isKept)
        await this.#keep(wanted, authorityId, null, certificate);
      submissions.push({ id: wanted.id, certificate: certificateText(certificate), differences });
    }
    return submissions;
  }

  /** Installs what is in the journal and was not installed, since this process or its machine ended. */
  resume(): Promise<void> {
    return this.#state.installing(() => this.#resume());
  }

  async #resume(): Promise<void> {
    const { entries } = await this.#openJournal();
    if (entries.length === 0) return;
    for (const inUse of await this.#inUse()) {
      const last = entries.findLast(({ credentialId }) => credentialId === inUse.wanted.id);
      if (last === undefined || last.sequence === null || inUse.wanted.maxSequence !== null)
        continue;
      const [certificate] = parseCertificatesPem(last.certificatePem);
      const { current, kept } = await readFolder(inUse.folder);
      const isNewest = kept.every(({ sequence }) => sequence <= (last.sequence ?? 0));
      const isSameKey =
        certificate !== undefined && bytesEqual(certificate.spki, inUse.certificate.spki);
      if (isNewest && isSameKey && current?.sequence !== last.sequence)
        await this.#install(inUse, last);
    }
  }

  /**
   * Shows the Admin Node Managers what they do not have of the journal; after each new connection they
   * are asked again, since they may have been restored from a backup. False while one that could be asked
   * has not been shown it. What they do not take over is no reason to stop all else.
   */
  async report(link: Pick<AdminLink, "call">): Promise<boolean> {
    if (!this.#state.isConnected) {
      this.#merged = null;
      return false;
    }
    if (this.#merged === Infinity) return true;
    try {
      const { entries } = await this.#openJournal();
      if (this.#merged !== null && this.#merged >= entries.length) return true;
      this.#merged = await mergedOf(link, entries, this.#merged ?? 0);
    } catch (error) {
      this.#state.log.warn({ error: describeError(error) }, "the journal was not taken over");
      if (soonOver.some((code) => isDomainError(error, code))) return false;
      // A damaged one, or an earlier version there: what is in use is renewed in time all the same.
      this.#merged = Infinity;
    }
    return true;
  }

  /** The management credentials that this host has a certificate of. */
  async #inUse(): Promise<InUse[]> {
    const found: InUse[] = [];
    for (const wanted of this.#state.desired?.credentials ?? []) {
      if (wanted.usage !== "management") continue;
      const folder = folderOf(this.#state, wanted);
      const identity = await readIdentity(folder, keysOf(this.#state, wanted));
      if (identity === null) continue;
      const { keyPem, certificatePem } = identity;
      const [certificate] = parseCertificatesPem(certificatePem);
      if (certificate === undefined) continue;
      found.push({ wanted, folder, certificate, privateKey: createPrivateKey(keyPem) });
    }
    return found;
  }

  async #waiting() {
    const found = [];
    for (const wanted of this.#state.desired?.credentials ?? []) {
      if (wanted.elsewhere === undefined || wanted.usage !== "management") continue;
      const { authorityId } = wanted.elsewhere;
      const key = await readPendingKey(
        `${this.#state.layout.temporaryKeys}/${wanted.process}`,
        this.#state.pendingKeys.keys,
      );
      if (key !== null) found.push({ ...key, wanted, authorityId });
    }
    return found;
  }

  /** What was issued before, as far as it is known here: the kept generations, and the journal. */
  async #known(
    folder: string,
    kept: readonly { readonly sequence: number }[],
  ): Promise<Certificate[]> {
    const { entries } = await this.#openJournal();
    const pems = entries.map(({ certificatePem }) => certificatePem);
    for (const { sequence } of kept)
      pems.push((await readGeneration(folder, sequence))?.certificatePem ?? "");
    return pems.flatMap((pem) => parseCertificatesPem(pem));
  }

  async #keep(
    { id }: WantedCredential,
    authorityId: LocalIssuance["authorityId"],
    sequence: number | null,
    certificate: Certificate,
  ): Promise<LocalIssuance> {
    const journal = await this.#openJournal();
    const certificatePem = pemOf(certificate);
    const entry = { atMs: Date.now(), credentialId: id, authorityId, sequence, certificatePem };
    return journal.append(entry);
  }

  async #install(
    { wanted, folder, privateKey, certificate: before }: InUse,
    { authorityId, sequence, certificatePem }: LocalIssuance,
  ): Promise<void> {
    const { current } = await readFolder(folder);
    const [certificate] = parseCertificatesPem(certificatePem);
    if (sequence === null || certificate === undefined || current === null) return;
    const { log, processId } = this.#state;
    const slot = renewalSlot(certificate, before, current);
    const keys = keysOf(this.#state, wanted);
    const issued = { authorityId, sequence, ...slot };
    await installIssued(folder, { privateKey, keys }, certificatePem, issued);
    await presentAndPrune(folder, sequence);
    if (wanted.process === processId) await this.#state.loadIdentity();
    else
      await this.#instances
        .reload(wanted.process)
        .catch((error: unknown) =>
          log.info({ error: describeError(error) }, "the instance loads its certificate later"),
        );
    log.info(
      { credential: wanted.id, sequence },
      "presenting a certificate that was issued while no Admin Node Manager could be asked",
    );
  }
}

/** Shows entries from `from` on; returns how many are dealt with: those that were refused as one piece, too. */
async function mergedOf(
  link: Pick<AdminLink, "call">,
  entries: readonly LocalIssuance[],
  from: number,
): Promise<number> {
  let next = from;
  for (let triesLeft = entries.length + 2; next < entries.length && triesLeft > 0; triesLeft--) {
    const body = { entries: entries.slice(next, next + entriesMax) };
    const { merged } = await link.call("mergeIssuances", { body });
    if (merged === next) return entries.length;
    next = merged;
  }
  return entries.length;
}

/** Where in its life a certificate is renewed: in the same part of it as the one before. Times in ms. */
function renewalSlot(
  next: Certificate,
  before: Certificate,
  slot: { readonly renewFromMs: number; readonly renewUntilMs: number },
): { renewFromMs: number; renewUntilMs: number } {
  const lifeMs = before.notAfterMs - before.notBeforeMs;
  const inNext = (ms: number): number =>
    Math.round(
      next.notBeforeMs +
        ((ms - before.notBeforeMs) / lifeMs) * (next.notAfterMs - next.notBeforeMs),
    );
  return { renewFromMs: inNext(slot.renewFromMs), renewUntilMs: inNext(slot.renewUntilMs) };
}

/** Everything in which a certificate is not what its request and the peers of this host ask for. */
function differencesFrom(
  requestPem: string,
  certificate: Certificate,
  anchor: Anchor,
): CertificateDifference[] {
  const chain = anchorChain(anchor);
  return [
    ...differencesFromRequest(parseRequestPem(requestPem), certificate, nodeCryptoPort),
    ...issuanceDifferences(
      {
        certificate,
        // What peers are shown with it, and nothing that was only brought here.
        intermediates: chain.slice(0, -1),
        anchors: chain.slice(-1),
        atMs: Date.now(),
        lifetimeSecondsMin,
      },
      nodeCryptoPort,
    ),
  ];
}

function usedSerial(
  { serialHex, issuer }: Certificate,
  known: readonly Certificate[],
): CertificateDifference[] {
  const used = known.find(
    (each) => each.serialHex === serialHex && namesEqual(each.issuer, issuer),
  );
  if (used === undefined) return [];
  const got = `${serialHex}, which is that of ${formatName(used.subject)}`;
  return [{ field: "serial number", wanted: "one that the CA did not use before", got }];
}

/** A request that asks for what a certificate says, for its key. */
async function requestAgain({ certificate, privateKey }: InUse): Promise<string> {
  const { subject, extensions } = certificate;
  return requestForKey(privateKey, formatName(subject), {
    subjectAltName: extensions.subjectAltName ?? [],
    profile: {
      name: "process",
      basicConstraints: { isAuthority: false, pathLength: null },
      keyUsage: extensions.keyUsage ?? [],
      extendedKeyUsage: extensions.extendedKeyUsage ?? [],
    },
  });
}

function unknownKey(certificate: Certificate): SubmissionView {
  const got = `SHA-256 ${spkiFingerprint(certificate.spki, nodeCryptoPort)}`;
  return {
    id: null,
    certificate: certificateText(certificate),
    differences: [{ field: "public key", wanted: "a key of this host", got }],
  };
}

function pemOf({ der }: Pick<Certificate, "der">): string {
  return encodePem("CERTIFICATE", der);
}
