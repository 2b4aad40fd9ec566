import { createHash } from "node:crypto";
import { DomainError, type AuthorityId } from "../../kit/index.ts";
import type { TrustDocument } from "../../domain/index.ts";
import {
  certificateText,
  formatName,
  isNamedIssuer,
  isSelfIssued,
  isSignedBy,
  parseCertificatesPem,
  type Certificate,
} from "../../pki/index.ts";
import type { WantedMember } from "../../contract/index.ts";
import {
  fingerprintOf,
  readRevocationLists,
  readFound,
  type Description,
  type FoundCredential,
  type Material,
} from "../../drivers/index.ts";
import {
  certificatesPem,
  installGeneration,
  nodeCryptoPort,
  readCurrent,
} from "../../keys/index.ts";
import { presentAndPrune } from "../credential-folder.ts";
import { isFoundCredential } from "../credentials.ts";
import type { NodeState } from "../node-state.ts";
import type { GenerationRecord } from "./generation-records.ts";

/** What is to be installed in a member's server. */
export interface WantedGeneration {
  readonly material: Material;
  readonly record: Omit<GenerationRecord, "number">;
}

/** A key with its certificate, of the authority and the number that its credential says. */
interface Leaf extends Pick<Material, "key" | "leaf" | "chain"> {
  readonly authorityId: AuthorityId;
  readonly sequence: number;
}

type State = Pick<NodeState, "layout" | "keys" | "trust" | "desired" | "installing">;

/**
 * The generation that a member is to have: the current one of its credential, or what was found on the
 * host, with the CAs that it is to trust as the signed trust document has them. Null before its first
 * certificate of a CA that it is to trust; `built-in` for one that is to run with what it came with. `isUntouched`: nothing was ever installed in place of what is found. Throws `authority-unavailable` for a CA that is not in that document, and as `readFound`.
 */
export async function wantedGeneration(
  state: State,
  wanted: WantedMember,
  { description, isUntouched }: { description: Description; isUntouched: boolean },
): Promise<WantedGeneration | "built-in" | null> {
  const { document } = state.trust;
  const anchors = wanted.trusts.map((id) => anchorOf(document, wanted, id));
  const credential = state.desired?.credentials.find(({ process }) => process === wanted.id);
  const isFound = credential !== undefined && isFoundCredential(credential);
  if (isFound && wanted.trusts.length === 0) return "built-in";
  const found = isFound
    ? await foundLeaf(state, wanted, {
        description,
        isUntouched,
        authorityId: credential.authorityId,
      })
    : await issuedLeaf(state, wanted);
  // Trust in a new CA alone comes with a certificate of it: both take effect in one restart.
  if (found === null || !wanted.trusts.includes(found.authorityId)) return null;
  const { authorityId, sequence, ...own } = found;
  const form = digestOf(formOf(description));
  const crls = await readRevocationLists(description);
  const certificates = [[own.leaf, ...own.chain].map(print), anchors.map(print)];
  const prints = [...certificates, ...(crls.length === 0 ? [] : [crls.map(fingerprintOf)])];
  const record = {
    sequence,
    authorityId,
    serial: own.leaf.serialHex,
    notAfterMs: own.leaf.notAfterMs,
    trusts: wanted.trusts,
    leaf: print(own.leaf),
    form,
    content: digestOf([form, prints]),
  };
  return { material: { ...own, anchors, crls }, record };
}

async function issuedLeaf(state: State, { id }: WantedMember): Promise<Leaf | null> {
  const folder = state.layout.member(id).credential;
  const generation = await readCurrent(folder);
  if (generation === null) return null;
  const { sequence, certificatePem, keyPem, meta } = generation;
  const [leaf] = parseCertificatesPem(certificatePem);
  if (leaf === undefined)
    throw new DomainError("state-corrupt", `${folder} holds no certificate: remove the folder`);
  const authorityId = String(meta["authorityId"]) as AuthorityId;
  const key = await state.keys.fromPem(keyPem, folder);
  return { key, leaf, chain: chainOf(state.trust.document, authorityId), authorityId, sequence };
}

/** Kept when it is seen, and seen again as long as it may be renewed by hand: a rollback may present it. */
async function foundLeaf(
  state: State,
  wanted: WantedMember,
  of: { description: Description; isUntouched: boolean; authorityId: AuthorityId },
): Promise<Leaf> {
  const { description, isUntouched, authorityId } = of;
  const folder = state.layout.member(wanted.id).found;
  const kept = await readCurrent(folder);
  if (kept === null || isUntouched) {
    const found = await readFound(description);
    const { serialHex } = found.leaf;
    if (kept?.meta["serial"] !== serialHex) {
      requireIssuer(found, knownAnchors(state.trust.document, wanted, [authorityId]), wanted);
      const sequence = (kept?.sequence ?? 0) + 1;
      await state.installing(() => keepFound(folder, sequence, state.keys, found));
    }
    return { ...found, authorityId, sequence: 0 };
  }
  const [leaf, ...chain] = parseCertificatesPem(kept.certificatePem + kept.chainPem);
  if (leaf === undefined)
    throw new DomainError("state-corrupt", `${folder} holds no certificate: remove the folder`);
  const key = await state.keys.fromPem(kept.keyPem, folder);
  return { key, leaf, chain, authorityId, sequence: 0 };
}

async function keepFound(
  folder: string,
  sequence: number,
  keys: NodeState["keys"],
  { key, leaf, chain }: FoundCredential,
): Promise<void> {
  await installGeneration(folder, {
    sequence,
    keyPem: await keys.toPem(key),
    certificatePem: certificatesPem([leaf]),
    chainPem: certificatesPem(chain),
    meta: { serial: leaf.serialHex },
  });
  await presentAndPrune(folder, sequence);
}

/** Throws `certificate-rejected` for a certificate that is not of the CA that the service was declared with. */
function requireIssuer(
  { leaf, chain }: FoundCredential,
  [root]: readonly Certificate[],
  { name }: WantedMember,
): void {
  const last = [leaf, ...chain].findLast((each) => !isSelfIssued(each)) ?? leaf;
  if (root !== undefined && isNamedIssuer(last, root) && isSignedBy(last, root, nodeCryptoPort))
    return;
  throw new DomainError(
    "certificate-rejected",
    `${certificateText(leaf)}, found for ${name}, is not of the CA that its service was declared with: give as foundCa the one that issued it, ${formatName(last.issuer)}`,
  );
}

/** What follows a leaf of this authority: see `Anchor`. */
function chainOf({ anchors }: TrustDocument, id: AuthorityId): Certificate[] {
  const anchor = anchors.find(({ authorityId }) => authorityId === id);
  return parseCertificatesPem(
    (anchor?.intermediatesPem ?? "") + (anchor?.crossCertificatePem ?? ""),
  );
}

function anchorOf(
  { anchors, epoch }: TrustDocument,
  { name, serviceId }: WantedMember,
  id: AuthorityId,
): Certificate {
  const anchor = anchors.find(
    ({ authorityId, usage }) => authorityId === id && usage === serviceId,
  );
  const [certificate] = anchor === undefined ? [] : parseCertificatesPem(anchor.certificatePem);
  if (certificate !== undefined) return certificate;
  throw new DomainError(
    "authority-unavailable",
    `the CA ${id}, which ${name} is to trust, is not one of its service in the signed trust document (epoch ${epoch}): it is waited for`,
  );
}

/** The CAs of a service that are known here by these ids; others are passed over. */
export function knownAnchors(
  { anchors }: TrustDocument,
  { serviceId }: Pick<WantedMember, "serviceId">,
  ids: readonly AuthorityId[],
): Certificate[] {
  return anchors
    .filter(({ authorityId, usage }) => usage === serviceId && ids.includes(authorityId))
    .flatMap(({ certificatePem }) => parseCertificatesPem(certificatePem));
}

function formOf({ folder, folderGroup, visible, files }: Description): unknown {
  return [folder, folderGroup ?? null, visible, files];
}

const print = ({ der }: Certificate): string => fingerprintOf(der);
const digestOf = (value: unknown): string =>
  createHash("sha256").update(JSON.stringify(value)).digest("hex");
