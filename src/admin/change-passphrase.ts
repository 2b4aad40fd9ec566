import { DomainError } from "../kit/index.ts";
import { homeLayout } from "../domain/index.ts";
import {
  encryptedPrivateKeyPem,
  finishReplacement,
  isEncryptedPem,
  privateKeyFromPem,
  replaceFiles,
} from "../keys/index.ts";
import { lockHome } from "../store/index.ts";
import { readNodeSettings } from "../transport/index.ts";
import { decrypted, protectedKeyFiles } from "./key-files.ts";

/**
 * Encrypts every key of a home that a passphrase protects under a new one, all or none of them; its
 * Admin Node Manager must not run. Returns the files. `old`: null where there was none. Throws
 * `home-missing`, `home-locked`, `not-found` where there is no such key, `forbidden` for a wrong
 * old passphrase, `unauthenticated` where it is missing, `disk-full`, `read-only`.
 */
export async function changePassphrase(
  home: string,
  of: { readonly old: string | null; readonly new: string },
): Promise<string[]> {
  const layout = homeLayout(home);
  if ((await readNodeSettings(layout.nodeSettings)) === null)
    throw new DomainError(
      "home-missing",
      `${home} is not part of a domain: run this on a host that holds the keys of the CAs, with its --home`,
    );
  const lock = await lockHome(layout.store);
  try {
    await finishReplacement(layout.authorityKeys);
    const found = await protectedKeyFiles(layout);
    if (found.length === 0)
      throw new DomainError(
        "not-found",
        `there is no key of a CA in ${layout.authorityKeys}: run this on a host whose Admin Node Manager holds them`,
      );
    const replacement = new Map<string, string>();
    for (const { name, path, pem } of found) {
      const key =
        isEncryptedPem(pem) && of.old !== null
          ? decrypted(path, pem, of.old)
          : privateKeyFromPem(pem, { what: path });
      replacement.set(name, await encryptedPrivateKeyPem(key, of.new));
    }
    await replaceFiles(layout.authorityKeys, replacement, { mode: 0o600 });
    return found.map(({ path }) => path);
  } finally {
    lock.release();
  }
}
