import type { AuthorityId } from "../kit/index.ts";
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
  for (const { id } of all.filter(({ fingerprint }) => fingerprint === own?.fingerprint)) {
    const found = await view.issuances.find(id, serial);
    if (found !== undefined) return found;
  }
  return undefined;
}
