import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkValue, instanceSettings, type InstanceSettings } from "../contract/index.ts";
import { instanceLayout, type ProcessUsage } from "../domain/index.ts";
import { privateKeyToPem, readCurrent, type KeyProtection } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import { isProbeCertificate, parseCertificatesPem, type Certificate } from "../pki/index.ts";
import { contextOf, LoadedTrust, type Identity, type SavedTrust } from "../transport/index.ts";

/** A credential as it is presented. */
export interface LoadedCredential {
  readonly identity: Identity;
  readonly sequence: number;
  readonly certificate: Certificate;
}

/** Everything that an instance reads from its folder, at start and at each reload. */
export interface LoadedState {
  readonly settings: InstanceSettings;
  readonly trust: LoadedTrust;
  readonly management: LoadedCredential;
  /** Null until the Node Manager has installed the first one. */
  readonly traffic: LoadedCredential | null;
}

/**
 * Reads and checks all files below `home`, so that what is returned can be put in force without
 * another failure. `previous`: what is in force; trust never goes back behind it. `keys` opens the
 * key files. Throws `home-missing`, `state-corrupt`, `invalid-input`, `stale-epoch`, `not-supported`
 * or `unauthenticated`.
 */
export async function loadState(
  home: string,
  previous: LoadedState | null,
  keys: KeyProtection,
): Promise<LoadedState> {
  const layout = instanceLayout(home);
  const settingsPath = layout.settings;
  const settings = checkValue(instanceSettings, await readJson(settingsPath), settingsPath);
  const trustPath = layout.trust;
  const trust = LoadedTrust.restore((await readJson(trustPath)) as SavedTrust);
  if (trust.host?.hostId !== settings.hostId) {
    throw new DomainError(
      "state-corrupt",
      `${trustPath} has no document of ${settings.hostId}: restart its Node Manager`,
    );
  }
  if (previous !== null) checkNotBehind(previous, { settings, trust });
  const load = (usage: ProcessUsage): Promise<LoadedCredential | null> =>
    loadCredential(layout.credential(usage), previous?.[usage], keys);
  const management = await load("management");
  const traffic = await load("traffic");
  if (management === null) {
    throw new DomainError(
      "home-missing",
      `${home} has no management credential: the Node Manager installs it`,
    );
  }
  checkUsable(management, trust, "management");
  if (traffic !== null) checkUsable(traffic, trust, null);
  return { settings, trust, management, traffic };
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch (cause) {
    if (cause instanceof SyntaxError) {
      throw new DomainError(
        "state-corrupt",
        `${path} is not JSON: the Node Manager writes it again when it starts`,
        { cause },
      );
    }
    if (isMissing(cause)) {
      throw new DomainError(
        "home-missing",
        `there is no ${path}: the Node Manager writes it before it starts the instance`,
        { cause },
      );
    }
    throw new DomainError(
      "state-corrupt",
      `${path} cannot be read: check its owner and permissions`,
      { cause },
    );
  }
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ENOENT" || error.code === "ENOTDIR")
  );
}

/**
 * `known`: what was loaded before; it is kept where the folder still holds the same, whatever its key
 * is encrypted by now.
 */
async function loadCredential(
  dir: string,
  known: LoadedCredential | null | undefined,
  keys: KeyProtection,
): Promise<LoadedCredential | null> {
  const generation = await readCurrent(dir);
  if (generation === null) return null;
  const { sequence, certificatePem, meta } = generation;
  if (known?.sequence === sequence && known.identity.certificatePem === certificatePem)
    return known;
  const keyPem = privateKeyToPem(await keys.read(join(dir, "current", "key.pem")));
  const certificate = readLeaf(certificatePem, dir);
  const { authorityId } = meta;
  if (typeof authorityId !== "string") {
    throw new DomainError(
      "state-corrupt",
      `generation ${sequence} in ${dir} does not name its authority: install the credential again`,
    );
  }
  const identity = { keyPem, certificatePem, authorityId, serial: certificate.serialHex };
  return { identity, sequence, certificate };
}

function readLeaf(pem: string, dir: string): Certificate {
  try {
    const [leaf] = parseCertificatesPem(pem);
    if (leaf !== undefined && !isProbeCertificate(leaf)) return leaf;
  } catch (cause) {
    throw new DomainError(
      "state-corrupt",
      `the certificate in ${dir} cannot be read: install the credential again`,
      { cause },
    );
  }
  throw new DomainError(
    "state-corrupt",
    `${dir} has no certificate to present: install the credential again`,
  );
}

/** Makes the context that will be presented: the only way to know that key and certificate fit. */
function checkUsable(
  { identity }: LoadedCredential,
  trust: LoadedTrust,
  verify: "management" | null,
): void {
  // Without an anchor this throws its own error.
  if (verify !== null) trust.anchorsPem(verify);
  try {
    contextOf(identity, trust, verify);
  } catch (cause) {
    const usage = verify ?? "traffic";
    throw new DomainError(
      "state-corrupt",
      `key and certificate of the ${usage} credential do not fit: install it again`,
      { cause },
    );
  }
}

function checkNotBehind(
  previous: LoadedState,
  next: Pick<LoadedState, "settings" | "trust">,
): void {
  const { trust: loaded, settings: before } = previous;
  const { trust, settings } = next;
  if (
    trust.document.domain !== loaded.document.domain ||
    settings.id !== before.id ||
    settings.hostId !== before.hostId
  ) {
    throw new DomainError(
      "conflict",
      "the files are those of another instance: nothing was loaded",
    );
  }
  if (
    settings.managementPort !== before.managementPort ||
    settings.servicesPort !== before.servicesPort
  ) {
    throw new DomainError(
      "not-supported",
      "the ports changed, which a reload cannot follow: restart the instance",
    );
  }
  const isOther =
    trust.epoch === loaded.epoch && trust.save().link.payload !== loaded.save().link.payload;
  if (
    trust.epoch < loaded.epoch ||
    isOther ||
    (trust.host?.version ?? 0) < (loaded.host?.version ?? 0)
  ) {
    throw new DomainError(
      "stale-epoch",
      `the trust on disk (epoch ${trust.epoch}) is behind the loaded one (epoch ${loaded.epoch}): nothing was loaded`,
      {
        context: { offered: trust.epoch, loaded: loaded.epoch },
      },
    );
  }
}
