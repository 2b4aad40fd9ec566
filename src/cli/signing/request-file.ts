import { access, constants, stat, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { DomainError } from "../../kit/index.ts";

/** Before anything is asked for: a request that could not be written would be hard to find. Throws `read-only`. */
export async function checkRequestFile(file: string | undefined): Promise<void> {
  if (file === undefined) return;
  const isFolder = (await stat(file).catch(() => null))?.isDirectory() === true;
  const isWritable = await access(dirname(resolve(file)), constants.W_OK).then(
    () => true,
    () => false,
  );
  if (isFolder || !isWritable)
    throw new DomainError("read-only", `${file} cannot be written: choose another with --csr`);
}

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
