import type { ControlEnvironment } from "./environment.ts";
import type { Leadership } from "./leadership.ts";
import type { ChainHead } from "./ports.ts";

/** The audit record that anchors heads; the check of the chains looks for it. */
export const anchorAction = "audit.anchor";

/**
 * Writes the newest link of every writer's chain into the leader's own log, if another writer's has
 * grown since `last`: whoever rewrites a chain from one of them on, its head too, would have to
 * rewrite that of the leader as well. Returns what is anchored now. Throws `not-leader`.
 */
export async function anchorHeads(
  env: Pick<ControlEnvironment, "store">,
  leadership: Leadership,
  { writer, last }: { readonly writer: string; readonly last: readonly ChainHead[] },
): Promise<readonly ChainHead[]> {
  // Outside the transaction, which would collide with everybody's writes: what was read stays true.
  const heads = await env.store.read((view) => view.audit.heads());
  const anchored = new Map(last.map((head) => [head.writer, head.hash]));
  const hasGrown = heads.some(
    (head) => head.writer !== writer && anchored.get(head.writer) !== head.hash,
  );
  if (!hasGrown) return last;
  const { lease, fencingToken } = leadership;
  const links = Object.fromEntries(heads.map((head) => [head.writer, formatAnchor(head)]));
  const entry = {
    actor: "system:leader",
    action: anchorAction,
    subject: "domain",
    detail: { ...links, fencingToken },
  };
  await env.store.write(entry, (tx) => tx.leases.require(lease, fencingToken));
  return heads;
}

function formatAnchor({ number, hash }: ChainHead): string {
  return `${number} ${hash}`;
}

/** The heads that an anchoring record names. */
export function anchorsOf(detail: Readonly<Record<string, unknown>>): ChainHead[] {
  return Object.entries(detail).flatMap(([writer, text]) => {
    const [, number, hash] = /^(\d+) ([0-9a-f]{64})$/.exec(String(text)) ?? [];
    return hash === undefined ? [] : [{ writer, number: Number(number), hash }];
  });
}
