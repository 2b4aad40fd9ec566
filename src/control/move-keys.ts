import { DomainError, type AuthorityId, type HostId } from "../kit/index.ts";
import { holdersOf, maySign, type Authority, type Host } from "../domain/index.ts";
import {
  defaultSignatureAlgorithm,
  describePublicKey,
  parseCertificatesPem,
  utf8Encode,
} from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreView } from "./ports.ts";
import { requireHost } from "./publish-trust.ts";
import { withdrawKeys } from "./share-keys.ts";

/** The keys of CAs on their way from one Admin Node Manager to another. */
export interface KeyMove {
  readonly from: Host;
  readonly to: Host;
  readonly authorities: readonly Authority[];
}

/**
 * What a move of the keys to a host takes from whom: everything that may sign and that the host
 * `from` holds; it need not be named where nobody else holds any. Null if nobody else does. Throws
 * `not-found`, and `invalid-input` where several might be meant.
 */
export async function findKeyMove(
  view: StoreView,
  { to: toId, from: fromId }: { readonly to: HostId; readonly from: HostId | null },
): Promise<KeyMove | null> {
  const to = await requireHost(view, toId);
  const hosts = (await view.topology.hosts()).filter(({ id }) => id !== toId);
  const signing = (await view.authorities.all()).filter(
    ({ status, holders }) => maySign(status, "probe") && holders.length > 0,
  );
  const holding = hosts.filter((host) =>
    signing.some((authority) => holdersOf(authority, [host]).length > 0),
  );
  const [only, second] = holding;
  if (fromId === null && second !== undefined)
    throw new DomainError(
      "invalid-input",
      `${holding.map(({ name }) => name).join(" and ")} hold keys of the CAs: say with --from from which of them they are moved`,
    );
  const from = fromId === null ? only : holding.find(({ id }) => id === fromId);
  if (from === undefined) {
    if (fromId === null) return null;
    throw new DomainError("not-found", `host ${fromId} holds no key of a CA that may sign`);
  }
  const authorities = signing.filter(({ holders }) => holders.includes(from.id));
  return { from, to, authorities };
}

/** What a holder signs with the key of an authority to prove that it can: no certificate begins so. */
export function keyProofText(id: AuthorityId, challenge: string): Uint8Array {
  return utf8Encode(`gatehouse/key-proof/v1\n${id}\n${challenge}`);
}

/** True if a signature over the proof was made with the key of the authority's certificate. */
export function provesKey(
  { crypto }: Pick<ControlEnvironment, "crypto">,
  { id, certificatePem }: Pick<Authority, "id" | "certificatePem">,
  of: { readonly challenge: string; readonly signature: Uint8Array },
): boolean {
  const [certificate] = parseCertificatesPem(certificatePem);
  if (certificate === undefined) return false;
  const algorithm = defaultSignatureAlgorithm(describePublicKey(certificate.spki));
  const text = keyProofText(id, of.challenge);
  return crypto.verify(certificate.spki, text, of.signature, algorithm);
}

/**
 * Ends a move: the host `from` holds the keys no more, and deletes its files when it sees that. Throws
 * `conflict` if the other one is no holder any more.
 */
export async function endKeyMove(
  env: ControlEnvironment,
  { from, to, authorities }: KeyMove,
  actor: string,
): Promise<AuthorityId[]> {
  const ids = authorities.map(({ id }) => id);
  const detail = { from: from.id, authorities: ids.join(" ") };
  const entry = { actor, action: "authority.move", subject: to.id, detail };
  return env.store.write(entry, async (tx) => {
    const host = await requireHost(tx, to.id);
    for (const { id } of authorities) {
      const authority = await tx.authorities.get(id);
      if (authority === undefined || holdersOf(authority, [host]).length === 0)
        throw new DomainError(
          "conflict",
          `host ${to.name} is no holder of the key of ${id} any more: it stays with ${from.name}; ask again`,
        );
    }
    return withdrawKeys(tx, await requireHost(tx, from.id));
  });
}
