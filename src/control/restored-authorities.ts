import type { Anchor, Authority, AuthorityUsage, TrustDocument } from "../domain/index.ts";
import { wantNewer } from "../domain/index.ts";
import { certificateFingerprint, formatName } from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { onlyCertificate } from "./make-authority.ts";
import type { StoreTransaction } from "./ports.ts";

/**
 * Makes the authorities of a restored store those of the trust document that hosts have presented:
 * what they trust no more is retired; a CA that the backup does not know comes in without its key,
 * as the current one only where no other is trusted.
 */
export async function adoptAuthorities(
  tx: StoreTransaction,
  env: Pick<ControlEnvironment, "clock" | "crypto">,
  { anchors }: TrustDocument,
): Promise<void> {
  const trusted = new Set(anchors.map(({ authorityId }) => authorityId));
  for (const authority of await tx.authorities.all())
    if (!trusted.has(authority.id) && !isOver(authority))
      await tx.authorities.put({
        ...authority,
        status: "retired",
        retiredAtMs: env.clock.nowMs(),
      });
  const known = new Map((await tx.authorities.all()).map((one) => [one.id, one]));
  for (const anchor of anchors) {
    const before = known.get(anchor.authorityId);
    if (before === undefined) await tx.authorities.put(authorityOf(env, anchor));
    else if (isOver(before))
      await tx.authorities.put({ ...before, status: "restored", retiredAtMs: null });
  }
  for (const usage of new Set(anchors.map((anchor) => anchor.usage)))
    await chooseCurrent(tx, usage);
  await followCurrent(tx);
}

function isOver({ status }: Authority): boolean {
  return status === "retired" || status === "abandoned";
}

/** One of which nothing is known but what everybody trusts: its key is not here. */
function authorityOf(env: Pick<ControlEnvironment, "clock" | "crypto">, anchor: Anchor): Authority {
  const { authorityId: id, usage, certificatePem, crossCertificatePem } = anchor;
  const root = onlyCertificate(certificatePem);
  return {
    id,
    usage,
    signing: anchor.signing ?? "generated",
    intermediatesPem: anchor.intermediatesPem ?? "",
    status: "restored",
    subject: formatName(root.subject),
    certificatePem,
    crossCertificatePem,
    fingerprint: certificateFingerprint(root, env.crypto),
    crossFingerprint:
      crossCertificatePem &&
      certificateFingerprint(onlyCertificate(crossCertificatePem), env.crypto),
    predecessor: null,
    notAfterMs: root.notAfterMs,
    createdAtMs: root.notBeforeMs,
    retiredAtMs: null,
    holders: [],
  };
}

/** Of the trusted ones, one whose key may be here comes first, then the newest. */
async function chooseCurrent(tx: StoreTransaction, usage: AuthorityUsage): Promise<void> {
  const trusted = (await tx.authorities.all()).filter(
    (authority) => authority.usage === usage && !isOver(authority),
  );
  if (trusted.some(({ status }) => status === "current")) return;
  const [chosen] = trusted.toSorted(
    (a, b) =>
      Number(b.holders.length > 0) - Number(a.holders.length > 0) || b.createdAtMs - a.createdAtMs,
  );
  if (chosen !== undefined) await tx.authorities.put({ ...chosen, status: "current" });
}

/** What belongs to a CA that is trusted no more gets a certificate of the current one. */
async function followCurrent(tx: StoreTransaction): Promise<void> {
  const over = new Set((await tx.authorities.all()).filter(isOver).map(({ id }) => id));
  for (const credential of await tx.credentials.all()) {
    if (!over.has(credential.desired.authorityId)) continue;
    const { id } = await tx.authorities.current(credential.usage);
    const own = credential.recorded.findLast(({ authorityId }) => authorityId === id);
    const desired =
      own === undefined
        ? wantNewer(credential, id)
        : { authorityId: id, minSequence: own.sequence, maxSequence: null };
    await tx.credentials.put({ ...credential, desired });
  }
}
