import { homeLayout, type HomeLayout, type NodeSettings } from "../domain/index.ts";
import { DomainError } from "../kit/index.ts";
import {
  LoadedTrust,
  readNodeSettings,
  readStateFile,
  type SavedTrust,
} from "../transport/index.ts";

export { cancelJoin, readPendingJoin } from "./pending-join.ts";
export type { DatabaseLogin } from "./admin-secrets.ts";
export { authorityKeyFiles, resetHome, runningOn } from "./reset.ts";
export {
  asksForPassphrase,
  changeStoppedEntityStore,
  openEntityStore,
  readSource,
  saveSource,
  type EntityStoreChange,
  type PassphraseSource,
} from "./entity-store.ts";
export { openLocalIssuer, type LocalIssuer } from "./local-issuer.ts";
export { completeJoin, joinDomain, type JoinedHost } from "./join.ts";

/** What a home folder says of its host; null where the host is in no domain yet. */
export interface LocalHome {
  readonly layout: HomeLayout;
  readonly joined: { readonly settings: NodeSettings; readonly trust: LoadedTrust } | null;
}

/** Reads what a host knows of itself and whom it trusts. Throws `state-corrupt`, `read-only`. */
export async function openLocalHome(home: string): Promise<LocalHome> {
  const layout = homeLayout(home);
  const settings = await readNodeSettings(layout.nodeSettings);
  if (settings === null) return { layout, joined: null };
  const saved = await readStateFile<SavedTrust>(layout.trust);
  if (saved === null)
    throw new DomainError(
      "state-corrupt",
      `${layout.trust} is missing: restore it from a backup, or join the host again`,
    );
  return { layout, joined: { settings, trust: LoadedTrust.restore(saved) } };
}
