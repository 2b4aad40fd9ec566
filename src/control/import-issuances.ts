import { isSignedBy, type Certificate } from "../pki/index.ts";
import type { Authority } from "../domain/index.ts";
import { authorityChain } from "./authority-chain.ts";
import type { ControlEnvironment } from "./environment.ts";
import { issuanceOf } from "./issuance-of.ts";
import { findIssued } from "./find-issued.ts";
import type { AuditEntry, StoreView } from "./ports.ts";

/**
 * Records certificates that somebody else signed with the key of an authority, each as an issuance
 * of nobody's. Returns those that were not known: what the authority did not sign is left out.
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
  const news = await env.store.read((view) => unknown(view, authority, signed));
  if (news.length === 0) return [];
  const entry = {
    ...by,
    subject: authority.id,
    detail: { certificates: news.length, first: news[0]?.serialHex ?? "" },
  };
  return env.store.write(entry, async (tx) => {
    const added = await unknown(tx, authority, news);
    for (const each of added)
      await tx.issuances.append(
        issuanceOf(env, each, { authorityId: authority.id, kind: "leaf", credentialId: null }),
      );
    return added;
  });
}

async function unknown(
  view: Pick<StoreView, "authorities" | "issuances">,
  { id }: Authority,
  certificates: readonly Certificate[],
): Promise<Certificate[]> {
  const found: Certificate[] = [];
  for (const each of certificates)
    if ((await findIssued(view, id, each.serialHex)) === undefined) found.push(each);
  return found;
}
