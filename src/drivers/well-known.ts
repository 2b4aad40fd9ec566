import { readFile } from "node:fs/promises";
import { formatName, isSelfIssued, parseCertificatesPem, type Certificate } from "../pki/index.ts";
import { fingerprintOf } from "./served.ts";

/** Certificates whose private keys others have too. */
const builtIn: readonly {
  readonly fingerprint: string | null;
  readonly subject: RegExp;
  readonly whose: string;
}[] = [
  {
    fingerprint: "67b884c96be0da762e6ac7c1e31d58ffeec0ea4c3859c25a9fcf86c16f4890ed",
    // Amlen's own spelling.
    subject: /O=IBM,OU=MessasgeSight,CN=cluster$/,
    whose: "Amlen's built-in certificate",
  },
  {
    fingerprint: null,
    subject: /O=Eclipse,OU=Amlen,CN=cluster$/,
    whose: "Amlen's other built-in certificate",
  },
];

/** Made when Debian's package ssl-cert was installed; every server that is not configured shows it. */
export const snakeoilFile = "/etc/ssl/certs/ssl-cert-snakeoil.pem";

/**
 * What a certificate is whose key is not its owner's alone, as `Amlen's built-in certificate`; null for
 * any other. `snakeoil` is the path of the host's own.
 */
export async function wellKnown(
  certificate: Certificate,
  snakeoil: string,
): Promise<string | null> {
  const fingerprint = fingerprintOf(certificate.der);
  const subject = formatName(certificate.subject);
  const found = builtIn.find(
    (each) =>
      each.fingerprint === fingerprint || (isSelfIssued(certificate) && each.subject.test(subject)),
  );
  if (found !== undefined) return found.whose;
  const isSnakeoil = (await certificatesIn(snakeoil)).some(
    ({ der }) => fingerprintOf(der) === fingerprint,
  );
  return isSnakeoil ? "Debian's snakeoil certificate" : null;
}

async function certificatesIn(path: string): Promise<Certificate[]> {
  try {
    return parseCertificatesPem(await readFile(path, "utf8"));
  } catch {
    return [];
  }
}
