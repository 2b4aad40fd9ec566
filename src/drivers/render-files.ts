import { createPublicKey, type KeyObject } from "node:crypto";
import { certificatesPem, makePkcs12, privateKeyToPem } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import {
  bytesEqual,
  certificateText,
  encodePem,
  isNamedIssuer,
  type Certificate,
} from "../pki/index.ts";
import type { FileEntry } from "./description.ts";
import { revocationProblem } from "./revocation-lists.ts";

/** What one generation of a member consists of. */
export interface Material {
  readonly key: KeyObject;
  readonly leaf: Certificate;
  /** The issuers of `leaf` in order, without the root; may be empty. */
  readonly chain: readonly Certificate[];
  /** The CAs that the member trusts. */
  readonly anchors: readonly Certificate[];
  /** Certificate revocation lists, DER (RFC 5280 section 5): one for each anchor where any is needed. */
  readonly crls: readonly Uint8Array[];
}

/** A file as it has to be on the member's host. */
export interface RenderedFile {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly mode: number;
  /** Names; the Node Manager's own where they are absent. */
  readonly owner: string | undefined;
  readonly group: string | undefined;
}

/**
 * The files of a generation, in the order of `entries`. `passphrases` are those of PKCS#12 files, by
 * path; a JKS file is one of PKCS#12 here. Throws `invalid-input` as `materialProblem` says, before anything is rendered.
 */
export function renderFiles(
  entries: readonly FileEntry[],
  material: Material,
  passphrases: ReadonlyMap<string, string>,
): RenderedFile[] {
  const problem = materialProblem(material, entries);
  if (problem !== null) throw new DomainError("invalid-input", problem);
  return entries.map((entry) => ({
    path: entry.path,
    bytes: contentOf(entry, material, passphrases),
    mode: Number.parseInt(entry.mode ?? "0600", 8),
    owner: entry.owner,
    group: entry.group,
  }));
}

/** What is wrong with `material` for these files, in one line; null if nothing is. */
function materialProblem(
  { key, leaf, chain, anchors, crls }: Material,
  entries: readonly FileEntry[],
): string | null {
  const name = certificateText(leaf);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  if (!bytesEqual(Uint8Array.from(spki), leaf.spki))
    return `the key is not that of ${name}: give the key and the certificate that belong together`;
  const path = [leaf, ...chain];
  const broken = chain.find((issuer, i) => !isNamedIssuer(path[i] ?? leaf, issuer));
  if (broken !== undefined)
    return `${certificateText(broken)} is not the issuer of the certificate before it: give the chain of ${name} in order`;
  const has = (what: FileEntry["what"]): boolean => entries.some((entry) => entry.what === what);
  if (has("trust-bundle") && anchors.length === 0) return `${name} comes with no CA to trust`;
  return has("crl") ? revocationProblem(anchors, crls, Date.now()) : null;
}

function contentOf(
  { what, path, format = "PEM" }: FileEntry,
  { key, leaf, chain, anchors, crls }: Material,
  passphrases: ReadonlyMap<string, string>,
): Uint8Array {
  switch (what) {
    case "key":
      return format === "PEM"
        ? Buffer.from(privateKeyToPem(key))
        : key.export({ format: "der", type: "pkcs8" });
    case "certificate":
      return format === "PEM" ? Buffer.from(certificatesPem([leaf])) : leaf.der;
    case "chain":
      return Buffer.from(certificatesPem(chain));
    case "certificate-and-chain":
      return Buffer.from(certificatesPem([leaf, ...chain]));
    case "combined":
      return Buffer.from(certificatesPem([leaf, ...chain]) + privateKeyToPem(key));
    case "trust-bundle":
      return Buffer.from(certificatesPem(anchors));
    case "crl":
      return Buffer.from(crls.map((crl) => encodePem("X509 CRL", crl)).join(""));
    // Java makes its own form of it: see `keystoreOf`.
    case "jks":
    case "pkcs12": {
      const passphrase = passphrases.get(path) ?? "";
      const content = { privateKey: key, certificate: leaf, chain };
      return makePkcs12(content, { passphrase, friendlyName: "gatehouse" });
    }
  }
}
