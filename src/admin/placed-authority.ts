import { existsSync } from "node:fs";
import { appendFile, readFile } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import {
  ensureFolder,
  keyPairOf,
  nodeCryptoPort,
  openPkcs12,
  privateKeyFromPem,
  writeFileAtomic,
  type KeyAndChain,
} from "../keys/index.ts";
import {
  authorityProblems,
  bytesEqual,
  encodePem,
  indexLine,
  readCertificates,
  type AuthorityInput,
  type Certificate,
} from "../pki/index.ts";

type Layout = Pick<
  HomeLayout,
  | "domainContainer"
  | "domainKey"
  | "domainCertificate"
  | "certificateIndex"
  | "certificateIndexState"
  | "certificateSerial"
  | "newCertificates"
>;

/** True where an operator put a CA into a home of no domain, under the documented names. */
export function hasPlacedAuthority(layout: Layout): boolean {
  return existsSync(layout.domainContainer) && !existsSync(layout.certificateIndexState);
}

/** What belongs to a CA that was placed. */
export function placedFiles(layout: Layout): string[] {
  return [
    layout.domainContainer,
    layout.domainKey,
    layout.domainCertificate,
    layout.certificateIndex,
    layout.certificateSerial,
    layout.newCertificates,
  ];
}

/**
 * The CA that an operator placed in a home: `domain.p12`, `domainkey.pem` and `domaincert.pem`, which
 * have to agree. Throws `invalid-input`, with the name of the file, for one that is missing, that
 * disagrees, or that is no CA to sign with; `unauthenticated` for the passphrase.
 */
export async function readPlacedAuthority(
  layout: Layout,
  passphrase: string,
  needs: Pick<AuthorityInput, "atMs" | "leaves">,
): Promise<KeyAndChain> {
  const { domainContainer, domainKey, domainCertificate } = layout;
  const content = openPkcs12(await placed(domainContainer), passphrase, domainContainer);
  const { spki, der } = content.certificate;
  const key = privateKeyFromPem((await placed(domainKey)).toString("utf8"), {
    what: domainKey,
    passphrase,
  });
  if (!bytesEqual(keyPairOf(key).spki, spki)) throw disagrees(domainKey, domainContainer, "key");
  const [certificate] = readCertificates(await placed(domainCertificate), domainCertificate);
  if (certificate === undefined || !bytesEqual(certificate.der, der))
    throw disagrees(domainCertificate, domainContainer, "certificate");
  requireFit(content, domainContainer, needs);
  return content;
}

/** Throws `invalid-input` for a CA that cannot sign what is needed of it. */
export function requireFit(
  { certificate, chain }: KeyAndChain,
  what: string,
  needs: Pick<AuthorityInput, "atMs" | "leaves">,
): void {
  const input = { ...needs, chain: [certificate, ...chain] as const, earlier: [] };
  const [problem] = authorityProblems(input, nodeCryptoPort);
  if (problem !== undefined)
    throw new DomainError("invalid-input", `${what} cannot sign: ${problem.message}`);
}

/** Notes what was signed with a CA that belongs to no domain, as `openssl ca` does. */
export async function noteSigned(layout: Layout, certificate: Certificate): Promise<void> {
  const { serialHex, notAfterMs, subject, der } = certificate;
  await ensureFolder(layout.newCertificates, 0o700);
  const file = `${layout.newCertificates}/${serialHex.toUpperCase()}.pem`;
  await writeFileAtomic(file, encodePem("CERTIFICATE", der), { mode: 0o600 });
  const line = indexLine({ serial: serialHex, notAfterMs, revokedAtMs: null, subject });
  await appendFile(layout.certificateIndex, line, { mode: 0o600 });
}

async function placed(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new DomainError(
      "invalid-input",
      `a CA was placed in this home without ${path}: put it there, readable, or take the others away`,
      { cause },
    );
  }
}

function disagrees(path: string, other: string, what: string): DomainError {
  return new DomainError(
    "invalid-input",
    `${path} holds another ${what} than ${other}: place the files of one CA`,
  );
}
