import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { DomainError } from "../../kit/index.ts";

/** Writes a request for whoever signs it, and says where, and what comes next. */
export async function keepRequest(file: string, requestPem: string): Promise<string> {
  try {
    await writeFile(file, requestPem);
  } catch (cause) {
    throw new DomainError("read-only", `${file} cannot be written: choose another with --csr`, {
      cause,
    });
  }
  return [
    `The request for its certificate is in ${resolve(file)}.`,
    "Have it signed by your CA: with the same subject, in its order, and every extension that it asks for.",
    "Then bring the certificate, and the CA's own where it is not known yet:",
    "  managedomain --submit_cert --cert cert.pem --ca ca.pem",
  ].join("\n");
}
