import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { DomainError, isDomainError } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import {
  encryptedPrivateKeyPem,
  finishReplacement,
  isEncryptedPem,
  keyPairOf,
  makePkcs12,
  privateKeyFromPem,
  replaceFiles,
} from "../keys/index.ts";
import { bytesEqual, parseCertificatesPem } from "../pki/index.ts";
import { lockHome, type HomeLock } from "../store/index.ts";
import { readNodeSettings } from "../transport/index.ts";
import { HomeToken } from "./home-token.ts";
import { decrypted, protectedKeyFiles } from "./key-files.ts";

/**
 * Encrypts every key of a home that a passphrase protects under a new one, all or none of them; its
 * Admin Node Manager must not run. Returns the files. `old`: null where there was none. Throws
 * `home-missing`, `home-locked`, `not-found` where there is no such key, `forbidden` for a wrong
 * old passphrase, `unauthenticated` where it is missing, `invalid-input` where there is none,
 * `disk-full`, `read-only`.
 */
export async function changePassphrase(
  home: string,
  of: { readonly old: string | null; readonly new: string },
): Promise<string[]> {
  const layout = homeLayout(home);
  const node = await readNodeSettings(layout.nodeSettings);
  if (node === null)
    throw new DomainError(
      "home-missing",
      `${home} is not part of a domain: run this on a host that holds the keys of the CAs, with its --home`,
    );
  if (!node.isAdmin)
    throw new DomainError(
      "not-found",
      `${home} has no Admin Node Manager, and so no key of a CA: run this on a host that has one, with its --home`,
    );
  const lock = await lockStopped(layout);
  try {
    await finishReplacement(layout.authorityKeys);
    const found = await protectedKeyFiles(layout);
    await refuseToken(layout, found);
    if (found.length === 0)
      throw new DomainError(
        "not-found",
        `there is no key of a CA in ${layout.authorityKeys}: run this on a host whose Admin Node Manager holds them`,
      );
    refuseWrongUse(found, of.old);
    const replacement = new Map<string, string | Uint8Array>();
    // domainkey.pem is a copy of the key of the present CA, and stays one.
    const renewed = new Map<string, string>();
    for (const { name, path, pem } of found) {
      const key =
        isEncryptedPem(pem) && of.old !== null
          ? decrypted(path, pem, of.old)
          : privateKeyFromPem(pem, { what: path });
      const next = renewed.get(pem) ?? (await encryptedPrivateKeyPem(key, of.new));
      renewed.set(pem, next);
      replacement.set(name, next);
      if (path === layout.domainKey) {
        const container = await domainContainer(layout, key, of.new);
        if (container !== null) replacement.set(basename(layout.domainContainer), container);
      }
    }
    await replaceFiles(layout.authorityKeys, replacement, { mode: 0o600 });
    return [...replacement.keys()].map((name) => join(layout.authorityKeys, name));
  } finally {
    lock.release();
  }
}

/** A token protects what is in it by its PIN. Throws `not-supported` where no key of a CA is a file. */
async function refuseToken(
  layout: HomeLayout,
  found: readonly { readonly path: string }[],
): Promise<void> {
  const settings = await new HomeToken(layout).settings();
  if (settings === null || found.some(({ path }) => path !== layout.sealingKey)) return;
  throw new DomainError(
    "not-supported",
    `the keys of the CAs are in the token ${settings.token}, and no file of this home holds one: its PIN protects them, and its own tool changes that`,
  );
}

/** `domain.p12` for the new passphrase; null where there is no certificate of the key beside it. */
async function domainContainer(
  { domainCertificate }: HomeLayout,
  privateKey: KeyObject,
  passphrase: string,
): Promise<Uint8Array | null> {
  const pem = await readFile(domainCertificate, "utf8").catch(() => "");
  const [certificate, ...chain] = parseCertificatesPem(pem);
  const isOwn =
    certificate !== undefined && bytesEqual(certificate.spki, keyPairOf(privateKey).spki);
  if (!isOwn) return null;
  return makePkcs12({ privateKey, certificate, chain }, { passphrase, friendlyName: "domain" });
}

/** The lock of a home whose Admin Node Manager does not run. Throws `home-locked`. */
export async function lockStopped({ home, store }: HomeLayout): Promise<HomeLock> {
  try {
    return await lockHome(store);
  } catch (cause) {
    if (!isDomainError(cause, "home-locked")) throw cause;
    throw new DomainError(
      "home-locked",
      `the Node Manager of ${home} is running: stop it with \`gatehouse node stop --home ${home}\` first`,
      { cause },
    );
  }
}

function refuseWrongUse(files: readonly { readonly pem: string }[], old: string | null): void {
  const isEncrypted = files.some(({ pem }) => isEncryptedPem(pem));
  if (isEncrypted && old === null)
    throw new DomainError(
      "unauthenticated",
      "the keys are encrypted: give their present passphrase with --old_passphrase_file or --old_passphrase_exec",
    );
  if (!isEncrypted && old !== null)
    throw new DomainError(
      "invalid-input",
      "the keys are not encrypted, so there is no old passphrase: leave it out",
    );
}
