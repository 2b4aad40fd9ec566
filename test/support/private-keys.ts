import { createHash, createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { RouteResponse } from "../../src/contract/index.ts";
import { homeLayout, type NodeSettings, type TrustDocument } from "../../src/domain/index.ts";
import { openPkcs12 } from "../../src/keys/index.ts";
import type { SavedTrust } from "../../src/transport/index.ts";
import type { LiveDomain } from "./live-domain.ts";

interface FoundKey {
  /** Below the home. */
  readonly file: string;
  /** Hex SHA-256 of its SubjectPublicKeyInfo. */
  readonly spki: string;
}

type Key = Parameters<typeof createPublicKey>[0];

function fingerprint(key: Key): string {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return createHash("sha256").update(spki).digest("hex");
}

const pemKey = /-----BEGIN (?:\w+ )*PRIVATE KEY-----.+?-----END (?:\w+ )*PRIVATE KEY-----/gs;

/** The private keys in every file of a home, whatever it is called. */
function privateKeysOf(home: string): FoundKey[] {
  const files = readdirSync(home, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return files.flatMap((path) => {
    const file = relative(home, path);
    const bytes = readFileSync(path);
    if (path.endsWith(".p12"))
      return [{ file, spki: fingerprint(openPkcs12(bytes, "", file).privateKey as never) }];
    const text = bytes.toString("latin1").replaceAll(String.raw`\n`, "\n");
    return [...text.matchAll(pemKey)].map(([pem]) => ({
      file,
      spki: fingerprint(createPrivateKey(pem) as never),
    }));
  });
}

/** What the domain says of its keys, by their fingerprints. */
interface KnownKeys {
  /** The hosts that hold a CA's key. */
  readonly holders: ReadonlyMap<string, readonly string[]>;
  readonly signing: string;
  readonly admins: readonly string[];
  readonly credentials: RouteResponse<"listCredentials">["credentials"];
}

async function knownKeys(domain: LiveDomain, host: string): Promise<KnownKeys> {
  const { authorities } = await domain.call("listAuthorities");
  const { credentials } = await domain.call("listCredentials");
  const { trust: file } = homeLayout(domain.home(host));
  const { link } = JSON.parse(readFileSync(file, "utf8")) as SavedTrust;
  const trust = JSON.parse(Buffer.from(link.payload, "base64").toString()) as TrustDocument;
  return {
    holders: new Map(authorities.map((each) => [fingerprint(each.certificatePem), each.holders])),
    signing: createHash("sha256").update(trust.signingKey, "base64").digest("hex"),
    admins: trust.admins.map(({ hostId }) => hostId),
    credentials,
  };
}

/** The credential whose folder a file is in; undefined: none of the host's. */
function credentialOf({ credentials }: KnownKeys, hostId: string, file: string) {
  // Below `conf` there is a link, where the documentation has them.
  const [, process, usage] =
    /^groups\/[^/]+\/([^/]+)\/(?:conf\/)?credentials\/(\w+)\//.exec(file) ?? [];
  return credentials
    .filter((each) => each.hostId === hostId)
    .find((each) =>
      process === undefined
        ? each.process.startsWith("nodemanager") && file.startsWith("conf/fed/credential/")
        : each.process === process && each.usage === usage,
    );
}

/** True for a CA's key on a holder, and for what Admin Node Managers have; null: neither of them. */
function isSharedKey(known: KnownKeys, hostId: string, key: FoundKey): boolean | null {
  const { authorityKeys, sealingKey } = homeLayout("");
  const holders = known.holders.get(key.spki);
  if (holders !== undefined)
    return `/${dirname(key.file)}` === authorityKeys && holders.includes(hostId);
  if (key.spki !== known.signing && `/${key.file}` !== sealingKey) return null;
  return known.admins.includes(hostId);
}

/**
 * The private keys that are where they may not be, in words; none where all is well. A process's own
 * key is in its folder on its host alone, as what passphrases are sealed for there, a CA's on its holders, the trust-signing key on Admin Node
 * Managers; temporary keys are gone. `hosts` names the homes; their keys are not locked.
 */
export async function strayKeys(domain: LiveDomain, hosts: readonly string[]): Promise<string[]> {
  const known = await knownKeys(domain, hosts[0] ?? "");
  const stray: string[] = [];
  const homeOf = new Map<string, string>();
  for (const host of hosts) {
    const home = domain.home(host);
    const settings = readFileSync(homeLayout(home).nodeSettings, "utf8");
    const { hostId } = JSON.parse(settings) as NodeSettings;
    const serials = new Set<string>();
    for (const key of privateKeysOf(home)) {
      const isShared = isSharedKey(known, hostId, key);
      if (isShared === true) continue;
      const isFirstSeenHere = (homeOf.get(key.spki) ?? host) === host;
      homeOf.set(key.spki, host);
      if (`/${key.file}` === homeLayout("").nodeSealingKey && isFirstSeenHere) continue;
      const beside = join(home, dirname(key.file), "certificate.pem");
      const isOwn =
        isShared === null &&
        credentialOf(known, hostId, key.file) !== undefined &&
        isFirstSeenHere &&
        fingerprint(readFileSync(beside)) === key.spki;
      if (!isOwn) stray.push(`${host}: ${key.file} ${key.spki}`);
      else serials.add(new X509Certificate(readFileSync(beside)).serialNumber.toLowerCase());
    }
    for (const { id, hostId: of, installedSerial } of known.credentials)
      if (of === hostId && installedSerial !== null && !serials.has(installedSerial))
        stray.push(`${host}: no key of ${id} ${installedSerial}`);
    const { temporaryKeys } = homeLayout(home);
    const left = existsSync(temporaryKeys) ? readdirSync(temporaryKeys) : [];
    stray.push(...left.map((name) => `${host}: ${name} among the temporary keys`));
  }
  return stray;
}
