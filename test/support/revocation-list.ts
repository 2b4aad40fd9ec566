import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { certificatesPem, privateKeyToPem } from "../../src/keys/index.ts";
import { decodeOnePem } from "../../src/pki/index.ts";
import { openssl, type TestAuthority } from "./certificates.ts";
import { tempFolder } from "./temp-folder.ts";

/** An empty revocation list (DER) of a CA, made by OpenSSL; it is over at `nextUpdateMs`. */
export async function revocationList(
  { certificate, keys }: TestAuthority,
  nextUpdateMs: number,
): Promise<Uint8Array> {
  const folder = await tempFolder();
  const at = (name: string): string => join(folder, name);
  const time = (ms: number): string =>
    `${new Date(ms).toISOString().replace(/\D/g, "").slice(0, 14)}Z`;
  await writeFile(at("index.txt"), "");
  await writeFile(at("key.pem"), privateKeyToPem(keys.privateKey), { mode: 0o600 });
  await writeFile(at("ca.pem"), certificatesPem([certificate]));
  await writeFile(
    at("ca.cnf"),
    `[ca]\ndefault_ca = a\n[a]\ndatabase = ${at("index.txt")}\ndefault_md = sha256\n`,
  );
  const times = [
    "-crl_lastupdate",
    time(nextUpdateMs - 86_400_000),
    "-crl_nextupdate",
    time(nextUpdateMs),
  ];
  const of = ["-config", at("ca.cnf"), "-keyfile", at("key.pem"), "-cert", at("ca.pem")];
  const pem = openssl(["ca", "-gencrl", ...of, ...times]);
  return decodeOnePem(pem, ["X509 CRL"], "the list");
}
