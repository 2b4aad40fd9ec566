import { DomainError } from "../kit/index.ts";
import { anchorsFor, type Anchor } from "../domain/index.ts";
import { bytesEqual, formatName, parseCertificatesPem, type Certificate } from "../pki/index.ts";
import type { DesiredState } from "../contract/index.ts";
import type { NodeState } from "./node-state.ts";

type WantedCredential = DesiredState["credentials"][number];

/**
 * The authority of which a credential's certificates are, as the signed trust has it. What an Admin
 * Node Manager wants certificates of is trusted by every peer: that was proven before. Throws `not-found`.
 */
export function anchorOf({ trust }: NodeState, wanted: WantedCredential): Anchor {
  const anchor = managementAnchors(trust).find(
    ({ authorityId }) => authorityId === wanted.authorityId,
  );
  if (anchor !== undefined) return anchor;
  throw new DomainError(
    "not-found",
    `the CA of ${wanted.id} (${wanted.authorityId}) is not trusted any more: an Admin Node Manager has to say which one is to sign`,
  );
}

/** What is below a root of an anchor on the way to a leaf, the one that signs first; then the root. */
export function anchorChain({ intermediatesPem = "", certificatePem }: Anchor): Certificate[] {
  return parseCertificatesPem(intermediatesPem + certificatePem);
}

/** Throws `conflict`, with the hosts that do not trust it, unless this CA is the one of the anchor. */
export function requireTrusted(state: NodeState, anchor: Anchor, signer: Certificate): void {
  const [issuer] = anchorChain(anchor);
  if (issuer !== undefined && bytesEqual(issuer.der, signer.der)) return;
  throw new DomainError(
    "conflict",
    untrustedText(state, anchor, formatName(signer.subject), signer),
  );
}

/**
 * Says of a CA that is not the one of an anchor which hosts are not known to trust it: everybody who is
 * called, for one that is in no signed trust; all but this host for one that is being introduced.
 */
function untrustedText(
  { trust, hostId }: NodeState,
  anchor: Anchor,
  name: string,
  signer: Certificate,
): string {
  const isIntroduced = managementAnchors(trust).some(
    (each) => each !== anchor && anchorChain(each).some((one) => bytesEqual(one.der, signer.der)),
  );
  const admins = trust.document.admins;
  const others = admins.filter((admin) => admin.hostId !== hostId);
  const hosts = (isIntroduced && others.length > 0 ? others : admins)
    .map((admin) => `${admin.address} (${admin.hostId})`)
    .join(", ");
  return isIntroduced
    ? `the CA ${name} is trusted on this host, and nothing here says that ${hosts} does too: certificates of it are taken when an Admin Node Manager goes on with the plan that introduces it`
    : `the CA ${name} is not trusted by ${hosts}: give the one that signs for this domain, or change it, when an Admin Node Manager runs, with \`gatehouse plan change-signing\``;
}

function managementAnchors({ document }: NodeState["trust"]): Anchor[] {
  return anchorsFor(document, "management");
}
