import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError, type AuthorityId } from "../kit/index.ts";
import {
  homeLayout,
  maySign,
  trustSigningKeyName,
  type Authority,
  type Host,
} from "../domain/index.ts";
import { bytesEqual, spkiFingerprint } from "../pki/index.ts";
import { authorityChain, currentTrust, type StoreView } from "../control/index.ts";
import {
  isEncryptedPem,
  keyPairOf,
  nodeCryptoPort,
  privateKeyFromPem,
  type KeyPair,
} from "../keys/index.ts";
import { openSqliteStore } from "../store/index.ts";
import { decrypted } from "./key-files.ts";
import { machineClock } from "./machine-clock.ts";

/** What a backup says of itself. */
export interface BackupManifest {
  readonly domain: string;
  /** The host on which it was made. */
  readonly hostId: string;
  readonly madeAtMs: number;
  /** Of the product. */
  readonly version: string;
  /** Those whose keys are in it. */
  readonly authorities: readonly AuthorityId[];
}

/** A backup that was opened, and found to hold what it says. */
export interface CheckedBackup {
  readonly manifest: BackupManifest;
  readonly epoch: number;
  readonly records: number;
  readonly issuances: number;
  readonly hosts: readonly Host[];
  /** Names of the keys in it, as the domain calls them. */
  readonly keys: readonly string[];
  /** Authorities whose keys are in a token, and so not in it. */
  readonly inToken: readonly AuthorityId[];
}

const trustKeyName = homeLayout("").trustKey.split("/").at(-1) ?? "";

/**
 * Looks whether a folder with the parts of a backup holds a domain that could go on: the store opens
 * and its logs verify, every key is that of its certificate, the trust-signing key that of the
 * domain. Throws `audit-broken`, `state-corrupt`, `unauthenticated`, `forbidden`.
 */
export async function checkOpened(
  folder: string,
  keyPassphrase: string | null,
): Promise<CheckedBackup> {
  const manifest = JSON.parse(
    await readFile(join(folder, "manifest.json"), "utf8"),
  ) as BackupManifest;
  const store = await openSqliteStore({ folder, writer: "backup-check", clock: machineClock });
  try {
    const found = await store.read(contentOf);
    if (!found.verdict.ok)
      throw new DomainError(
        "audit-broken",
        `the logs in the backup do not verify: ${found.verdict.text}`,
      );
    const { records, issuances } = found.verdict;
    const read = (name: string): Promise<KeyPair> => keyIn(folder, name, keyPassphrase);
    const trustKey = await read(trustKeyName);
    if (spkiFingerprint(trustKey.spki, nodeCryptoPort) !== found.trustKeyId)
      throw new DomainError("state-corrupt", "the trust-signing key is not the domain's");
    // A key that an abandoned try has left belongs to none.
    const held = manifest.authorities.flatMap(
      (id) => found.authorities.find((authority) => authority.id === id) ?? [],
    );
    for (const authority of held) requireFitting(authority, await read(`${authority.id}.key.pem`));
    const keys = [trustSigningKeyName, ...held.map(({ id }) => id)];
    const inToken = found.authorities
      .filter(({ status, token }) => token !== undefined && maySign(status, "probe"))
      .map(({ id }) => id);
    return { manifest, epoch: found.epoch, records, issuances, hosts: found.hosts, keys, inToken };
  } finally {
    await store.close();
  }
}

async function contentOf(view: StoreView) {
  const trust = await currentTrust(view);
  return {
    verdict: await view.audit.verify(),
    authorities: await view.authorities.all(),
    hosts: await view.topology.hosts(),
    epoch: trust.epoch,
    trustKeyId: spkiFingerprint(Buffer.from(trust.signingKey, "base64"), nodeCryptoPort),
  };
}

async function keyIn(folder: string, name: string, passphrase: string | null): Promise<KeyPair> {
  const pem = await readFile(join(folder, name), "utf8").catch((cause: unknown) => {
    throw new DomainError("state-corrupt", `the backup lacks ${name}`, { cause });
  });
  if (!isEncryptedPem(pem)) return keyPairOf(privateKeyFromPem(pem, { what: name }));
  if (passphrase !== null) return keyPairOf(decrypted(name, pem, passphrase));
  throw new DomainError(
    "unauthenticated",
    "the keys of the CAs are encrypted: give their passphrase with --key-passphrase-file or --key-passphrase-exec",
  );
}

function requireFitting(authority: Authority, key: KeyPair): void {
  const { id } = authority;
  const [certificate] = authorityChain(authority);
  if (certificate !== undefined && bytesEqual(certificate.spki, key.spki)) return;
  throw new DomainError(
    "state-corrupt",
    `the key of ${id} is not that of its certificate: put the right one back before a backup is made`,
  );
}
