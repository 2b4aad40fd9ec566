import { readFile } from "node:fs/promises";
import { nodeCryptoPort } from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import {
  certificateText,
  decodePem,
  isRevocationListOf,
  parseRevocationList,
  type Certificate,
  type RevocationList,
} from "../pki/index.ts";
import type { Description } from "./description.ts";

/**
 * What is wrong with the lists (DER) for servers that need one of every CA, in one line; null if nothing
 * is. Such a server refuses every certificate of a CA whose list it does not have, or whose list is over.
 */
export function revocationProblem(
  anchors: readonly Certificate[],
  crls: readonly Uint8Array[],
  nowMs: number,
): string | null {
  let lists: RevocationList[];
  try {
    lists = crls.map(parseRevocationList);
  } catch {
    return "one of the revocation lists cannot be read: put one in PEM or DER form there";
  }
  for (const anchor of anchors) {
    const name = certificateText(anchor);
    const own = lists.filter((list) => isRevocationListOf(list, anchor, nodeCryptoPort));
    if (own.length === 0)
      return `there is no revocation list of the trusted CA ${name}: the server would refuse all of its certificates; issue one`;
    if (own.every(({ nextUpdateMs }) => (nextUpdateMs ?? 0) <= nowMs))
      return `the revocation list of the trusted CA ${name} is over: the server would refuse all of its certificates; issue a new one`;
  }
  return null;
}

/** The lists (DER) in the files that a description names. Throws `not-found`, `invalid-input`. */
export async function readRevocationLists({
  revocationLists = [],
}: Description): Promise<Uint8Array[]> {
  return (await Promise.all(revocationLists.map(listsIn))).flat();
}

/** The lists (DER) in one file. */
export async function listsIn(path: string): Promise<Uint8Array[]> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new DomainError(
      "not-found",
      `${path}, which is to hold revocation lists, cannot be read: put them there`,
      { cause },
    );
  });
  const isPem = bytes.includes("-----BEGIN");
  const lists = isPem
    ? decodePem(bytes.toString("latin1")).filter(({ label }) => label === "X509 CRL")
    : [{ bytes: Uint8Array.from(bytes) }];
  return lists.map((list) => list.bytes);
}

/** When the first of the lists (DER) is over, and with it the trust in its CA; null if there are none. */
export function firstListEndMs(crls: readonly Uint8Array[]): number | null {
  const ends = crls.map((crl) => parseRevocationList(crl).nextUpdateMs ?? 0);
  return ends.length === 0 ? null : Math.min(...ends);
}
