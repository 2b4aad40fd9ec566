import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DomainError, isDomainError } from "../kit/index.ts";
import { runToSuccess } from "./run-command.ts";

/** Of keytool for a JKS store. */
const passphraseCharactersMin = 6;

/**
 * A PKCS#12 container as a Java keystore (JKS) under the same passphrase, made by this host's keytool;
 * `path` names the file that it is for. `not-found` where there is no keytool.
 */
export async function keystoreOf(
  pkcs12: Uint8Array,
  passphrase: string,
  path: string,
): Promise<Uint8Array> {
  if (passphrase.length < passphraseCharactersMin)
    throw new DomainError(
      "invalid-input",
      `the passphrase of ${path} is too short for a JKS store: it needs ${passphraseCharactersMin} characters`,
    );
  const folder = await mkdtemp(join(tmpdir(), "gatehouse-keystore-"));
  const [source, target, secret] = ["source", "target", "secret"].map((name) => join(folder, name));
  try {
    await writeFile(source ?? "", pkcs12, { mode: 0o600 });
    await writeFile(secret ?? "", passphrase, { mode: 0o600 });
    const from = ["-srckeystore", source, "-srcstoretype", "PKCS12", "-srcstorepass:file", secret];
    const to = ["-destkeystore", target, "-deststoretype", "JKS", "-deststorepass:file", secret];
    const run = ["keytool", "-importkeystore", "-noprompt", ...from, ...to].map(String);
    await runToSuccess({ run }, `keytool for ${path}`);
    return await readFile(target ?? "");
  } catch (cause) {
    if (!isDomainError(cause, "not-found")) throw cause;
    throw new DomainError(
      "not-found",
      `${path} is a JKS store, which needs Java's keytool on this host: install it (default-jre-headless), or write pkcs12, which Java reads, too`,
      { cause },
    );
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
