import { keySigner, openPkcs12, signRequest, unattendedLifetimeSeconds } from "../../keys/index.ts";
import { readBinaryFile } from "../text-file.ts";

export type Certificate = Awaited<ReturnType<typeof signRequest>>;

/** The CA in a PKCS#12 file of the user's, for the time of one command. */
export interface ProvidedCa {
  /** Its certificate, and those above it up to the root. */
  readonly chain: readonly Certificate[];
  /** Signs what a request (PEM) asks for. */
  sign(requestPem: string): Promise<Certificate>;
}

/** Opens the file. Throws `not-found`, `unauthenticated` for the passphrase, `invalid-input`. */
export async function openProvidedCa(
  path: string,
  passphrase: string,
  home: string,
): Promise<ProvidedCa> {
  const ca = openPkcs12(await readBinaryFile(path, "the CA file"), passphrase, path);
  const issuer = { certificate: ca.certificate, signer: keySigner(ca.privateKey) };
  const { operatorLifetimeSeconds } = await import("../../admin/offline.ts");
  const lifetimeSeconds = operatorLifetimeSeconds(home) ?? unattendedLifetimeSeconds;
  return {
    chain: [ca.certificate, ...ca.chain],
    sign: (requestPem) => signRequest(requestPem, issuer, lifetimeSeconds),
  };
}
