import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DomainError } from "../../kit/index.ts";
import type { SigningRequestView } from "../../contract/index.ts";

/** What goes out to whoever signs: every request that waits, and what each is. */
interface Manifest {
  readonly requests: readonly (Pick<
    SigningRequestView,
    "id" | "subject" | "requestPem" | "spki"
  > & {
    readonly host: string;
    readonly signer: string;
  })[];
}

/** Writes a folder with a manifest and a file for each request. Throws `read-only`. */
export async function writeCeremony(
  folder: string,
  waiting: readonly SigningRequestView[],
): Promise<void> {
  const manifest: Manifest = {
    requests: waiting.map(({ id, subject, requestPem, spki, hostName, authoritySubject }) => ({
      id,
      host: hostName,
      signer: authoritySubject,
      subject,
      spki,
      requestPem,
    })),
  };
  try {
    await mkdir(folder, { recursive: true });
    for (const { id, requestPem } of waiting)
      await writeFile(join(folder, `${id.replace("/", "-")}.csr`), requestPem);
    await writeFile(join(folder, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  } catch (cause) {
    throw new DomainError("read-only", `${folder} cannot be written: choose another folder`, {
      cause,
    });
  }
}
