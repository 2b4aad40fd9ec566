import type { HostId } from "../kit/index.ts";
import { homeLayout, type HomeLayout, type Host, type NodeSettings } from "../domain/index.ts";
import { finishReplacement, type KeyProtection } from "../keys/index.ts";
import { requireStore } from "../store/index.ts";
import { requireAdminHome } from "./admin-home.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { lockStopped } from "./change-passphrase.ts";
import { usesDatabase } from "./database.ts";
import { openEnvironment, type HomeEnvironment } from "./environment.ts";
import { issueOwnIdentity, writeOwnTrust, type SignedIdentity } from "./own-identity.ts";
import { writeProjections } from "./projections.ts";
import { readTrustKey } from "./trust-key.ts";

/** The home of an Admin Node Manager that does not run, under its lock. */
export interface StoppedAdmin {
  readonly env: HomeEnvironment;
  readonly layout: HomeLayout;
  readonly settings: NodeSettings;
}

/** Works on the home of an Admin Node Manager that is stopped. Throws `home-missing`, `home-locked`. */
export async function withStoppedAdmin<T>(
  home: string,
  work: (admin: StoppedAdmin) => Promise<T>,
): Promise<T> {
  const layout = homeLayout(home);
  const settings = await requireAdminHome(layout);
  if (!(await usesDatabase(layout))) requireStore(layout.store);
  const lock = await lockStopped(layout);
  try {
    await finishReplacement(layout.authorityKeys);
    const env = await openEnvironment(layout, settings.nodeManagerId, await readTrustKey(layout));
    try {
      return await work({ env, layout, settings });
    } finally {
      await env.close();
    }
  } finally {
    lock.release();
  }
}

/** Gives the Node Manager of the home an identity, and its files what the store says; returns the epoch. */
export async function presentOwnIdentity(
  { env, layout, settings }: StoppedAdmin,
  of: {
    readonly host: Host;
    readonly actor: string;
    readonly keys: KeyProtection;
    readonly signed?: SignedIdentity;
  },
): Promise<number> {
  const { domain: domainId, hostId } = settings;
  const document = await issueOwnIdentity(env, layout, { ...of, domainId });
  const epoch = await writeOwnTrust(env, layout, document);
  await writeProjections({ env, layout });
  await new AuthorityFolder({ env, layout, hostId: hostId as HostId }).update();
  return epoch;
}
