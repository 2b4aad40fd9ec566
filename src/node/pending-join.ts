import { readdir } from "node:fs/promises";
import { DomainError, type ProcessId } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import type { LeafText } from "../pki/index.ts";
import type { SubmissionView } from "../contract/index.ts";
import {
  dropPendingKey,
  KeyProtection,
  makePendingKey,
  readPendingKey,
  writeFileAtomic,
  type PendingKey,
} from "../keys/index.ts";
import { readStateFile } from "../transport/index.ts";
import type { JoinDomainRequest } from "./join.ts";

/** A join that waits for a certificate that is signed elsewhere. */
export interface AwaitedJoin {
  readonly awaits: {
    readonly nodeManagerId: ProcessId;
    readonly requestPem: string;
    /** What became of the certificates that were brought. */
    readonly submissions: readonly SubmissionView[];
  };
}

/** What is kept of it; the token in it admits this host when its certificate is there. */
export interface PendingJoin {
  readonly request: JoinDomainRequest;
  readonly nodeManagerId: ProcessId;
  readonly folder: string;
}

const folderOf = ({ temporaryKeys }: HomeLayout, id: string): string => `${temporaryKeys}/${id}`;
const joinFile = (folder: string): string => `${folder}/join.json`;

/** The join that waits on this host; null: none does. */
export async function readPendingJoin(layout: HomeLayout): Promise<PendingJoin | null> {
  for (const name of await readdir(layout.temporaryKeys).catch((): string[] => [])) {
    const folder = folderOf(layout, name);
    const kept = await readStateFile<Omit<PendingJoin, "folder">>(joinFile(folder));
    if (kept !== null) return { ...kept, folder };
  }
  return null;
}

/** Makes the key and the request for a join that has to wait, and keeps what was asked for. */
export async function keepPendingJoin(
  layout: HomeLayout,
  { request, nodeManagerId }: Omit<PendingJoin, "folder">,
  leaf: LeafText,
): Promise<PendingKey> {
  const folder = folderOf(layout, nodeManagerId);
  const { keyPassphrase = null, ...kept } = request;
  const key = await makePendingKey(folder, leaf, new KeyProtection(keyPassphrase));
  const text = JSON.stringify({ request: kept, nodeManagerId });
  await writeFileAtomic(joinFile(folder), text, { mode: 0o600 });
  return key;
}

/** The key of a join that waits. Throws `unauthenticated` for its passphrase, `state-corrupt`. */
export async function requirePendingKey(
  { folder }: PendingJoin,
  passphrase: string | null,
): Promise<PendingKey> {
  const key = await readPendingKey(folder, new KeyProtection(passphrase));
  if (key !== null) return key;
  throw new DomainError(
    "state-corrupt",
    `${folder} has lost its key or request: cancel with \`gatehouse signing cancel\` and join anew`,
  );
}

/** Gives up the join that waits on this host: its key and request are removed. */
export async function cancelJoin(layout: HomeLayout): Promise<void> {
  const pending = await readPendingJoin(layout);
  if (pending !== null) await dropPendingKey(pending.folder);
}

export function dropPendingJoin(layout: HomeLayout, nodeManagerId: ProcessId): Promise<void> {
  return dropPendingKey(folderOf(layout, nodeManagerId));
}
