import { readdir } from "node:fs/promises";
import { isDomainError } from "../kit/index.ts";
import { dropPendingKey, makePendingKey, readPendingKey, type PendingKey } from "../keys/index.ts";
import type { DesiredState } from "../contract/index.ts";
import type { AdminLink } from "./admin-link.ts";
import type { NodeState } from "./node-state.ts";

type WantedCredential = DesiredState["credentials"][number];

/**
 * Sees to it that the request for a certificate that is signed elsewhere waits at the Admin Node
 * Managers. Returns its key once the certificate was brought; null until then. A key that nobody
 * waits for, as its request was cancelled or lost, is given up for a new one.
 */
export async function pendingElsewhere(
  state: NodeState,
  link: AdminLink,
  wanted: WantedCredential,
): Promise<PendingKey | null> {
  const { elsewhere } = wanted;
  const memory = state.health(wanted.id);
  if (elsewhere === undefined || (state.desired?.revision ?? 0) < memory.requestedAtRevision)
    return null;
  const folder = pendingFolder(state, wanted);
  const kept = await keptKey(state, folder);
  if (kept !== null && kept.spki === elsewhere.requestedSpki)
    return elsewhere.isSigned ? kept : null;
  const { requestPem } = await makePendingKey(folder, elsewhere, state.pendingKeys.keys);
  const { revision } = await link.call("requestSignature", {
    body: { credentialId: wanted.id, requestPem },
  });
  memory.requestedAtRevision = revision;
  state.log.info({ credential: wanted.id }, "a certificate is asked for that is signed elsewhere");
  return null;
}

/** One whose passphrase nobody has any more is given up too. */
async function keptKey(
  { pendingKeys, log }: NodeState,
  folder: string,
): Promise<PendingKey | null> {
  try {
    return await readPendingKey(folder, pendingKeys.keys);
  } catch (error) {
    if (!isDomainError(error, "unauthenticated")) throw error;
    log.warn({ folder }, "a key that waited for its certificate cannot be opened: another is made");
    return null;
  }
}

/** Removes the key and request of a certificate that came, or is not wanted any more. */
export async function dropPending(state: NodeState, wanted: WantedCredential): Promise<void> {
  // Traffic certificates are never signed elsewhere; the folder is that of the other credential.
  if (wanted.usage !== "traffic") await dropPendingKey(pendingFolder(state, wanted));
}

/** The same for processes that were deleted while their certificate was waited for. */
export async function dropStrayPending({ layout, desired }: NodeState): Promise<void> {
  const processes = new Set<string>(desired?.credentials.map(({ process }) => process));
  for (const name of await readdir(layout.temporaryKeys).catch((): string[] => []))
    if (desired !== null && !processes.has(name))
      await dropPendingKey(`${layout.temporaryKeys}/${name}`);
}

function pendingFolder(state: NodeState, { process }: WantedCredential): string {
  return `${state.layout.temporaryKeys}/${process}`;
}
