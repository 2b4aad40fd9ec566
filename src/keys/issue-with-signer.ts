import { assert } from "../kit/index.ts";
import { bytesEqual, completeCertificate, type Certificate } from "../pki/index.ts";
import { prepareLeaf } from "./prepare-leaf.ts";
import type { Signer } from "./signer.ts";
import { messageOf, type IssuedCertificate, type SigningJob } from "./signing-pool.ts";

/**
 * Issues what a job asks for with a key that no worker can be given, as one in a token: all but the
 * signature is made in this thread. Rejects as `SigningPool.issue` and `signer.sign`.
 */
export async function issueWithSigner(
  job: SigningJob,
  issuer: Certificate,
  signer: Signer,
): Promise<IssuedCertificate> {
  assert(bytesEqual(signer.spki, issuer.spki), "the signer holds the issuer's key");
  const ticket = prepareLeaf(messageOf(job), issuer);
  const signature = await signer.sign(ticket.tbs, ticket.signatureAlgorithm);
  return {
    der: completeCertificate(ticket, signature),
    serialHex: ticket.certificate.serialHex,
  };
}
