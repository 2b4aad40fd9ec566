import type { AuthorityId, HostId } from "../kit/index.ts";
import { DomainError } from "../kit/index.ts";
import { homeLayout } from "../domain/index.ts";
import { recoverDomain, requireHost } from "../control/index.ts";
import { finishReplacement, type KeyProtection } from "../keys/index.ts";
import { requireStore } from "../store/index.ts";
import { readNodeSettings } from "../transport/index.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { lockStopped } from "./change-passphrase.ts";
import { usesDatabase } from "./database.ts";
import { openEnvironment } from "./environment.ts";
import { issueOwnIdentity, writeOwnTrust } from "./own-identity.ts";
import { writeProjections } from "./projections.ts";
import { readTrustKey } from "./trust-key.ts";

interface RecoveredHome {
  readonly hostId: string;
  /** The CAs in whose place there are new ones. */
  readonly replaced: readonly AuthorityId[];
  readonly epoch: number;
}

/**
 * Brings a home with an Admin Node Manager back whose certificates have expired, offline: new CAs in
 * place of those that have ended, and a new identity of its own. The other hosts come back by
 * themselves when it serves. `passphrase` unlocks the keys; null: they have none. Throws
 * `home-missing`, `home-locked`, `forbidden` for a wrong passphrase, `unauthenticated` for a missing
 * one, and as `recoverDomain`.
 */
export async function recoverHome(
  home: string,
  of: {
    readonly passphrase: string | null;
    readonly isNewAuthorityWanted: boolean;
    /** How the Node Manager's keys are protected. */
    readonly keys: KeyProtection;
  },
): Promise<RecoveredHome> {
  const layout = homeLayout(home);
  const settings = await readNodeSettings(layout.nodeSettings);
  if (settings?.isAdmin !== true)
    throw new DomainError(
      "home-missing",
      `${home} is not the home of an Admin Node Manager: run this on its host, with its --home`,
    );
  if (!(await usesDatabase(layout))) requireStore(layout.store);
  const lock = await lockStopped(layout);
  try {
    await finishReplacement(layout.authorityKeys);
    const env = await openEnvironment(layout, settings.nodeManagerId, await readTrustKey(layout));
    try {
      await unlock(env.authorityKeys, of.passphrase);
      const actor = "system:recover";
      const hostId = settings.hostId as HostId;
      const { isNewAuthorityWanted } = of;
      const replaced = await recoverDomain(env, { hostId, isNewAuthorityWanted, actor });
      const host = await env.store.read((view) => requireHost(view, hostId));
      const { domain: domainId } = settings;
      const document = await issueOwnIdentity(env, layout, {
        host,
        domainId,
        actor,
        keys: of.keys,
      });
      const epoch = await writeOwnTrust(env, layout, document);
      await writeProjections({ env, layout });
      await new AuthorityFolder({ env, layout, hostId }).update();
      return { hostId, replaced, epoch };
    } finally {
      await env.close();
    }
  } finally {
    lock.release();
  }
}

type Env = Awaited<ReturnType<typeof openEnvironment>>;

async function unlock(keys: Env["authorityKeys"], passphrase: string | null): Promise<void> {
  if (passphrase !== null) await keys.unlock(passphrase);
  if (await keys.isLocked())
    throw new DomainError(
      "unauthenticated",
      "the keys of the CAs are encrypted: give their passphrase with --passphrase-file or --passphrase-exec",
    );
}
