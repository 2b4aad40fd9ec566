import { DomainError } from "../kit/index.ts";
import type { Authority } from "../domain/index.ts";
import { parseCertificatesPem, type Certificate } from "../pki/index.ts";

/** The certificate of the key that signs an authority's leaves, then its issuers up to the root. */
export function authorityChain({
  id,
  intermediatesPem,
  certificatePem,
}: Pick<Authority, "id" | "intermediatesPem" | "certificatePem">): [Certificate, ...Certificate[]] {
  const [issuer, ...rest] = parseCertificatesPem(intermediatesPem + certificatePem);
  if (issuer !== undefined) return [issuer, ...rest];
  throw new DomainError(
    "state-corrupt",
    `the store holds the authority ${id} without a certificate`,
  );
}
