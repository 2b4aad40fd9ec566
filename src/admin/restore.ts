import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DomainError, type HostId } from "../kit/index.ts";
import type { HomeLayout, Host, NodeSettings } from "../domain/index.ts";
import { markRestored, unheardHosts } from "../control/index.ts";
import { ensureFolder, KeyProtection, readSealedFile, writeFileAtomic } from "../keys/index.ts";
import { continueStore } from "../store/index.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { backedUpSettings } from "./backup.ts";
import { fillEmptyHome, openedBackup } from "./empty-home.ts";
import { openEnvironment } from "./environment.ts";
import { checkOpened, type CheckedBackup } from "./opened-backup.ts";
import { issueOwnIdentity, writeOwnSettings, writeOwnTrust } from "./own-identity.ts";
import { writeProjections } from "./projections.ts";
import { announceSealingKey } from "./sealing-key.ts";
import { readTrustKey } from "./trust-key.ts";

interface RestoreRequest {
  readonly path: string;
  readonly passphrase: string;
  /** Of the keys of the CAs, where a passphrase protects them. */
  readonly keyPassphrase: string | null;
  /** Name or id of the host whose Admin Node Manager this becomes; null: that which made the backup. */
  readonly host: string | null;
  /** Names or ids of hosts that nothing is to be waited for. */
  readonly waived: readonly string[];
}

interface RestoredHome extends CheckedBackup {
  readonly settings: NodeSettings;
  /** Names of the hosts that have to be heard of before this domain publishes anything. */
  readonly waitsFor: readonly string[];
}

/**
 * Makes the first Admin Node Manager of a domain on an empty home, from a backup. It gets a key and
 * certificate of its own; its store goes on above every number of the backup, and publishes nothing
 * before the other hosts were heard of. Nothing is left of a try that failed. Throws as
 * `readSealedFile`, `checkOpened` and `fillEmptyHome`, and `not-found`, `not-supported` for the host.
 */
export function restoreHome(home: string, request: RestoreRequest): Promise<RestoredHome> {
  return fillEmptyHome(home, async (layout) => {
    const opened = join(layout.store, openedBackup);
    await readSealedFile(request.path, request.passphrase, opened);
    const checked = await checkOpened(opened, request.keyPassphrase);
    const host = adminHost(checked, request.host);
    const waived = request.waived.map((named) => hostNamed(checked, named).id);
    await putInPlace(layout, opened, checked);
    continueStore(layout.store);
    return startAnew(layout, request, { checked, host, waived });
  });
}

function hostNamed({ hosts }: CheckedBackup, named: string): Host {
  const found = hosts.find(({ id, name }) => id === named || name === named);
  if (found !== undefined) return found;
  throw new DomainError(
    "not-found",
    `the backup knows no host ${named}: it has ${hosts.map(({ name }) => name).join(", ")}`,
  );
}

function adminHost(checked: CheckedBackup, named: string | null): Host {
  const host = hostNamed(checked, named ?? checked.manifest.hostId);
  if (host.nodeManager.isAdmin && host.status === "active") return host;
  throw new DomainError(
    "not-supported",
    `host ${host.name} has no Admin Node Manager in the backup: name one that has, of ${checked.hosts
      .filter(({ nodeManager }) => nodeManager.isAdmin)
      .map(({ name }) => name)
      .join(", ")}`,
  );
}

async function putInPlace(
  layout: HomeLayout,
  opened: string,
  { manifest }: CheckedBackup,
): Promise<void> {
  await ensureFolder(layout.authorityKeys, 0o700);
  await ensureFolder(dirname(layout.nodeSettings), 0o700);
  const places = new Map([
    ["gatehouse.db", join(layout.store, "gatehouse.db")],
    ["trust-signing.key.pem", layout.trustKey],
    ...manifest.authorities.map((id) => [`${id}.key.pem`, layout.authorityKey(id)] as const),
    ...backedUpSettings.map((name) => [name, join(layout.home, "conf", name)] as const),
  ]);
  for (const [name, place] of places) {
    // The token may be reached in another way here: what the operator wrote stays.
    const isOwn = place === layout.tokenSettings && existsSync(place);
    if (existsSync(join(opened, name)) && !isOwn) await rename(join(opened, name), place);
  }
  await rm(opened, { recursive: true, force: true });
}

async function startAnew(
  layout: HomeLayout,
  { keyPassphrase }: RestoreRequest,
  of: { readonly checked: CheckedBackup; readonly host: Host; readonly waived: readonly HostId[] },
): Promise<RestoredHome> {
  const { checked, host, waived } = of;
  const { manifest } = checked;
  const trustKey = await readTrustKey(layout);
  const env = await openEnvironment(layout, host.nodeManager.id, trustKey);
  try {
    if (keyPassphrase !== null) await env.authorityKeys.unlock(keyPassphrase);
    const held = [...manifest.authorities];
    for (const authority of await env.store.read((view) => view.authorities.all()))
      if (await env.authorityKeys.takeFromToken(authority)) held.push(authority.id);
    await markRestored(env, {
      hostId: host.id,
      held,
      backupAtMs: manifest.madeAtMs,
      waived,
    });
    await announceSealingKey({ env, layout, hostId: host.id });
    const keys = new KeyProtection();
    const identity = { host, domainId: manifest.domain, actor: "system:restore", keys };
    await writeOwnTrust(env, layout, await issueOwnIdentity(env, layout, identity));
    await writeProjections({ env, layout });
    await new AuthorityFolder({ env, layout, hostId: host.id }).update();
    const mark = { backupAtMs: manifest.madeAtMs };
    await writeFileAtomic(layout.restored, JSON.stringify(mark), { mode: 0o600 });
    const waitsFor = (await env.store.read(unheardHosts)).map(({ name }) => name);
    const settings = await writeOwnSettings(layout, { ...identity, trustKeyId: trustKey.keyId });
    return { ...checked, settings, waitsFor };
  } finally {
    await env.close();
  }
}
