import type { AuthorityId } from "../kit/index.ts";
import { bytesEqual } from "../pki/index.ts";
import { authorityChain } from "./authority-chain.ts";
import type { Issuance, StoreView } from "./ports.ts";

/**
 * The issuance with this serial by the CA of an authority; undefined: none. A CA that was given up and
 * taken again is the same CA, under another name here.
 */
export async function findIssued(
  view: Pick<StoreView, "authorities" | "issuances">,
  authorityId: AuthorityId,
  serial: string,
): Promise<Issuance | undefined> {
  const all = await view.authorities.all();
  const own = all.find(({ id }) => id === authorityId);
  if (own === undefined) return undefined;
  const [issuer] = authorityChain(own);
  for (const authority of all) {
    if (!bytesEqual(authorityChain(authority)[0].der, issuer.der)) continue;
    const found = await view.issuances.find(authority.id, serial);
    if (found !== undefined) return found;
  }
  return undefined;
}
