import { createHash } from "node:crypto";
import { DomainError, type AuthorityId } from "../../kit/index.ts";
import type { TrustDocument } from "../../domain/index.ts";
import { parseCertificatesPem, type Certificate } from "../../pki/index.ts";
import type { WantedMember } from "../../contract/index.ts";
import { fingerprintOf, type Description, type Material } from "../../drivers/index.ts";
import { readCurrent } from "../../keys/index.ts";
import type { NodeState } from "../node-state.ts";
import type { GenerationRecord } from "./generation-records.ts";

/** What is to be installed in a member's server. */
export interface WantedGeneration {
  readonly material: Material;
  readonly record: Omit<GenerationRecord, "number">;
}

/**
 * The generation that a member is to have: the current one of its credential, with the CAs that it is
 * to trust as the signed trust document has them. Null before its first certificate. Throws
 * `authority-unavailable` for a CA that is not in that document.
 */
export async function wantedGeneration(
  state: Pick<NodeState, "layout" | "keys" | "trust" | "installing">,
  wanted: WantedMember,
  description: Description,
): Promise<WantedGeneration | null> {
  const { document } = state.trust;
  const folder = state.layout.member(wanted.id).credential;
  const generation = await state.installing(() => readCurrent(folder));
  if (generation === null) return null;
  const { sequence, certificatePem, keyPem, meta } = generation;
  const [leaf] = parseCertificatesPem(certificatePem);
  if (leaf === undefined)
    throw new DomainError("state-corrupt", `${folder} holds no certificate: remove the folder`);
  const authorityId = String(meta["authorityId"]) as AuthorityId;
  const material: Material = {
    key: await state.keys.fromPem(keyPem, folder),
    leaf,
    chain: chainOf(document, authorityId),
    anchors: wanted.trusts.map((id) => anchorOf(document, wanted, id)),
    crls: [],
  };
  const form = digestOf(formOf(description));
  const record = {
    sequence,
    authorityId,
    serial: leaf.serialHex,
    notAfterMs: leaf.notAfterMs,
    trusts: wanted.trusts,
    leaf: fingerprintOf(leaf.der),
    form,
    content: digestOf([
      form,
      ...[leaf, ...material.chain].map(print),
      ...material.anchors.map(print),
    ]),
  };
  return { material, record };
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
