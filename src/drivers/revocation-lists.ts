import { nodeCryptoPort } from "../keys/index.ts";
import {
  certificateText,
  isRevocationListOf,
  parseRevocationList,
  type Certificate,
} from "../pki/index.ts";

/**
 * What is wrong with the lists (DER) for servers that need one of every CA, in one line; null if nothing
 * is. Such a server refuses every certificate of a CA whose list it does not have, or whose list is over.
 */
export function revocationProblem(
  anchors: readonly Certificate[],
  crls: readonly Uint8Array[],
  nowMs: number,
): string | null {
  const lists = crls.map(parseRevocationList);
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

/** When the first of the lists (DER) is over, and with it the trust in its CA; null if there are none. */
export function firstListEndMs(crls: readonly Uint8Array[]): number | null {
  const ends = crls.map((crl) => parseRevocationList(crl).nextUpdateMs ?? 0);
  return ends.length === 0 ? null : Math.min(...ends);
}
