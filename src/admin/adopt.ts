import type { KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { copyFile, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import {
  encryptedPrivateKeyPem,
  ensureFolder,
  keyPairOf,
  makeHomeFolder,
  makePkcs12,
  nodeCryptoPort,
  openPkcs12,
  privateKeyFromPem,
  privateKeyToPem,
  writeFileAtomic,
  type KeyAndChain,
} from "../keys/index.ts";
import {
  bytesEqual,
  encodePem,
  formatName,
  indexedSerials,
  isSignedBy,
  readCertificates,
  type Certificate,
} from "../pki/index.ts";
import { hasPlacedAuthority, requireFit } from "./placed-authority.ts";
import { machineClock } from "./machine-clock.ts";

/** What was found in the folder of a CA. */
export interface AdoptedFolder {
  readonly subject: string;
  /** Certificates that go into the inventory. */
  readonly certificates: number;
  /** Lines of its index of which there is no certificate. */
  readonly withoutCertificate: number;
}

/**
 * Takes over the folder of a CA that OpenSSL's `ca` keeps, or the documented one of a domain, into a
 * home of no domain: its key under the documented names, what it signed, its index. Nothing is issued
 * anew and the folder stays as it is; `--initialize` then makes a domain of that CA. Throws
 * `home-exists`, `not-found` where the folder has no CA, `unauthenticated`, `invalid-input`.
 */
export async function adoptFolder(
  home: string,
  { folder, passphrase }: { readonly folder: string; readonly passphrase: string | null },
): Promise<AdoptedFolder> {
  const layout = homeLayout(home);
  if (existsSync(layout.nodeSettings) || hasPlacedAuthority(layout))
    throw new DomainError(
      "home-exists",
      `${home} has a domain or a CA already: name an empty folder with --home`,
    );
  const content = await readAuthority(folder, passphrase);
  requireFit(content, `the CA in ${folder}`, { atMs: machineClock.nowMs(), leaves: [] });
  const issued = await issuedCertificates(folder, content.certificate);
  const index = await readFile(join(folder, "index.txt"), "utf8").catch(() => "");
  await makeHomeFolder(home);
  await place(layout, content, passphrase);
  await ensureFolder(layout.newCertificates, 0o700);
  for (const { serialHex, der } of issued)
    await writeFileAtomic(
      join(layout.newCertificates, `${serialHex.toUpperCase()}.pem`),
      encodePem("CERTIFICATE", der),
      { mode: 0o600 },
    );
  await writeFileAtomic(layout.certificateIndex, index, { mode: 0o600 });
  if (existsSync(join(folder, "serial")))
    await copyFile(join(folder, "serial"), layout.certificateSerial);
  const known = new Set(issued.map(({ serialHex }) => serialHex));
  return {
    subject: formatName(content.certificate.subject),
    certificates: issued.length,
    withoutCertificate: indexedSerials(index).filter(({ serial }) => !known.has(serial)).length,
  };
}

/** As documented, as OpenSSL's own examples have it, and as people name them. */
const keyNames = ["private/domainkey.pem", "private/cakey.pem", "private/ca.key", "ca.key"];
const certificateNames = ["domaincert.pem", "cacert.pem", "ca.pem", "ca.crt", "certs/ca.crt"];

async function readAuthority(folder: string, passphrase: string | null): Promise<KeyAndChain> {
  const container = join(folder, "private/domain.p12");
  if (existsSync(container))
    return openPkcs12(await readFile(container), passphrase ?? "", container);
  const keyPath = firstOf(folder, keyNames, "key of a CA");
  const certificatePath = firstOf(folder, certificateNames, "certificate of a CA");
  const pem = await readFile(keyPath, "utf8");
  const privateKey = privateKeyFromPem(pem, {
    what: keyPath,
    ...(passphrase === null ? {} : { passphrase }),
  });
  const certificates = readCertificates(await readFile(certificatePath), certificatePath);
  const { spki } = keyPairOf(privateKey);
  const certificate = certificates.find((each) => bytesEqual(each.spki, spki));
  if (certificate === undefined)
    throw new DomainError(
      "invalid-input",
      `${certificatePath} is not the certificate of the key ${keyPath}`,
    );
  return { privateKey, certificate, chain: certificates.filter((each) => each !== certificate) };
}

function firstOf(folder: string, names: readonly string[], what: string): string {
  const found = names.map((name) => join(folder, name)).find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new DomainError(
    "not-found",
    `${folder} has no ${what}: it is looked for as ${names.join(", ")}`,
  );
}

/** What the CA signed, as far as the folder has it; each once. */
async function issuedCertificates(folder: string, issuer: Certificate): Promise<Certificate[]> {
  const found = new Map<string, Certificate>();
  for (const name of ["newcerts", "certs"]) {
    for (const file of await readdir(join(folder, name)).catch((): string[] => [])) {
      if (!/\.(pem|crt|cer)$/i.test(file)) continue;
      const path = join(folder, name, file);
      for (const certificate of readCertificates(await readFile(path), path))
        if (isSignedBy(certificate, issuer, nodeCryptoPort))
          found.set(certificate.serialHex, certificate);
    }
  }
  found.delete(issuer.serialHex);
  return [...found.values()];
}

/** Puts the CA under the documented names, all under one passphrase. */
async function place(
  layout: HomeLayout,
  content: KeyAndChain,
  passphrase: string | null,
): Promise<void> {
  await ensureFolder(layout.authorityKeys, 0o700);
  const chain = [content.certificate, ...content.chain];
  await writeFileAtomic(
    layout.domainCertificate,
    chain.map(({ der }) => encodePem("CERTIFICATE", der)).join(""),
    { mode: 0o644 },
  );
  await writeFileAtomic(layout.domainKey, await keyPem(content.privateKey, passphrase), {
    mode: 0o600,
  });
  const container = makePkcs12(content, { passphrase: passphrase ?? "", friendlyName: "domain" });
  await writeFileAtomic(layout.domainContainer, container, { mode: 0o600 });
}

async function keyPem(key: KeyObject, passphrase: string | null): Promise<string> {
  return passphrase === null ? privateKeyToPem(key) : encryptedPrivateKeyPem(key, passphrase);
}
