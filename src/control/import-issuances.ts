import { bytesEqual, isSignedBy, type Certificate } from "../pki/index.ts";
import type { Authority } from "../domain/index.ts";
import { authorityChain } from "./authority-chain.ts";
import type { ControlEnvironment } from "./environment.ts";
import { issuanceOf } from "./issuance-of.ts";
import { findIssued } from "./find-issued.ts";
import type { AuditEntry, StoreView } from "./ports.ts";

/**
 * Records certificates that somebody else signed with the key of an authority, each as an issuance
 * of nobody's; what the authority did not sign is left out. Returns those that cannot be recorded,
 * since their serial is that of another certificate of this CA.
 */
export async function importIssuances(
  env: ControlEnvironment,
  authority: Authority,
  certificates: readonly Certificate[],
  by: Pick<AuditEntry, "actor" | "action"> = {
    actor: "system:import",
    action: "certificate.import",
  },
): Promise<Certificate[]> {
  const [issuer] = authorityChain(authority);
  const signed = certificates.filter((each) => isSignedBy(each, issuer, env.crypto));
  const { news, reused } = await env.store.read((view) => compare(view, authority, signed));
  if (news.length === 0) return reused;
  const entry = {
    ...by,
    subject: authority.id,
    detail: { certificates: news.length, first: news[0]?.serialHex ?? "" },
  };
  return env.store.write(entry, async (tx) => {
    const again = await compare(tx, authority, signed);
    for (const each of again.news)
      await tx.issuances.append(
        issuanceOf(env, each, { authorityId: authority.id, kind: "leaf", credentialId: null }),
      );
    return again.reused;
  });
}

async function compare(
  view: Pick<StoreView, "authorities" | "issuances">,
  { id }: Authority,
  certificates: readonly Certificate[],
): Promise<{ readonly news: Certificate[]; readonly reused: Certificate[] }> {
  const news = new Map<string, Certificate>();
  const reused: Certificate[] = [];
  for (const each of certificates) {
    const known = news.get(each.serialHex) ?? (await findIssued(view, id, each.serialHex));
    if (known === undefined) news.set(each.serialHex, each);
    else if (!bytesEqual(known.der, each.der)) reused.push(each);
  }
  return { news: [...news.values()], reused };
}
