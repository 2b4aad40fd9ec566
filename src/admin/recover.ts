import type { AuthorityId, HostId } from "../kit/index.ts";
import { DomainError } from "../kit/index.ts";
import type { SigningRequestView } from "../contract/index.ts";
import { recoverDomain, requireHost } from "../control/index.ts";
import type { KeyProtection } from "../keys/index.ts";
import { ownIdentityElsewhere, requestOwnIdentity } from "./recover-elsewhere.ts";
import { presentOwnIdentity, withStoppedAdmin, type StoppedAdmin } from "./stopped-admin.ts";

interface RecoveredHome {
  readonly hostId: string;
  /** The CAs in whose place there are new ones. */
  readonly replaced: readonly AuthorityId[];
  /** Null: its certificate is signed elsewhere, and waited for. */
  readonly epoch: number | null;
  /** What has to be signed first, and what else waits; empty: nothing. */
  readonly awaits: readonly SigningRequestView[];
}

/**
 * Brings a home with an Admin Node Manager back whose certificates have expired, offline: new CAs in
 * place of those that have ended, and a new identity of its own, or the request for one where it is
 * signed elsewhere (`submitToHome` brings the certificate). The other hosts come back by themselves
 * when it serves. `passphrase` unlocks the keys; null: they have none. Throws `home-missing`,
 * `home-locked`, `forbidden` for a wrong passphrase, `unauthenticated` for a missing one, and as
 * `recoverDomain`.
 */
export function recoverHome(
  home: string,
  of: {
    readonly passphrase: string | null;
    readonly isNewAuthorityWanted: boolean;
    /** How the Node Manager's keys are protected. */
    readonly keys: KeyProtection;
  },
): Promise<RecoveredHome> {
  return withStoppedAdmin(home, async (admin) => {
    const { env, settings } = admin;
    await unlock(admin, of.passphrase);
    const actor = "system:recover";
    const hostId = settings.hostId as HostId;
    const { isNewAuthorityWanted, keys } = of;
    const replaced = await recoverDomain(env, { hostId, isNewAuthorityWanted, actor });
    const elsewhere = await ownIdentityElsewhere(admin);
    if (elsewhere !== null) {
      const awaits = await requestOwnIdentity(admin, elsewhere, keys);
      return { hostId, replaced, epoch: null, awaits };
    }
    const host = await env.store.read((view) => requireHost(view, hostId));
    const epoch = await presentOwnIdentity(admin, { host, actor, keys });
    return { hostId, replaced, epoch, awaits: [] };
  });
}

async function unlock({ env }: StoppedAdmin, passphrase: string | null): Promise<void> {
  const { authorityKeys } = env;
  if (passphrase !== null) await authorityKeys.unlock(passphrase);
  if (await authorityKeys.isLocked())
    throw new DomainError(
      "unauthenticated",
      "the keys of the CAs are encrypted: give their passphrase with --passphrase-file or --passphrase-exec",
    );
}
