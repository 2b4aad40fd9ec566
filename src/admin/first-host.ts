import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { DomainError, type AuthorityId } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import {
  authorityProblems,
  certificateText,
  differencesFromRequest,
  isAuthorityCertificate,
  parseRequestPem,
  type Certificate,
  type CertificateDifference,
} from "../pki/index.ts";
import {
  authorityChain,
  firstHost,
  nodeManagerNames,
  type FirstAdministrator,
} from "../control/index.ts";
import type { GivenAuthority } from "../planning/index.ts";
import {
  certificatesPem,
  chainAbove,
  dropPendingKey,
  KeyProtection,
  makeHomeFolder,
  makePendingKey,
  nodeCryptoPort,
  readPendingKey,
  requestFile,
  writeFileAtomic,
} from "../keys/index.ts";
import { readStateFile } from "../transport/index.ts";
import {
  initializeHome,
  type InitializedHome,
  type InitializeHomeRequest,
} from "./initialize-home.ts";
import { passwordHasher } from "./passwords.ts";

/** What `--initialize` was asked for; `signing` says who is to sign the first certificate. */
export interface FirstHostRequest extends Omit<
  InitializeHomeRequest,
  "passphrase" | "identity" | "administrator" | "domainName" | "keys"
> {
  readonly administrator: { readonly name: string; readonly password: string };
  readonly signing: GivenAuthority["signing"];
}

/** What is kept of it, beside key and request, until the certificate is there. */
interface Operation extends Omit<FirstHostRequest, "administrator"> {
  readonly domainId: string;
  readonly administrator: FirstAdministrator;
}

const folderOf = ({ temporaryKeys }: HomeLayout): string => `${temporaryKeys}/nodemanager-1`;
const operationFile = (layout: HomeLayout): string => `${folderOf(layout)}/operation.json`;

/**
 * The first half of a `--initialize` whose certificate is signed elsewhere: makes the Admin Node
 * Manager's key and its request, and keeps what was asked for. Returns the request and its file.
 * Throws `home-exists`, `invalid-name`.
 */
export async function requestFirstHost(
  home: string,
  { administrator, ...request }: FirstHostRequest,
  keyPassphrase: string | null,
): Promise<{ readonly requestPem: string; readonly file: string }> {
  const layout = homeLayout(home);
  const host = firstHost(request);
  const domainId = randomUUID();
  await makeHomeFolder(home);
  const folder = folderOf(layout);
  const { requestPem } = await makePendingKey(
    folder,
    nodeManagerNames(host, domainId),
    new KeyProtection(keyPassphrase),
  );
  const { name, password } = administrator;
  const operation: Operation = {
    ...request,
    domainId,
    administrator: { name, passwordHash: await passwordHasher.hash(password) },
  };
  await writeFileAtomic(operationFile(layout), JSON.stringify(operation), { mode: 0o600 });
  return { requestPem, file: requestFile(folder) };
}

export type FirstHostOutcome =
  | { readonly made: InitializedHome }
  | { readonly certificate: string; readonly differences: readonly CertificateDifference[] };

/**
 * The second half: makes the domain with the certificate that came back, which has to be among
 * `certificates` together with the CA's. What is wrong with it is returned, and nothing is made.
 * Throws `not-found` where no first host waits, `unauthenticated` for the key's passphrase.
 */
export async function completeFirstHost(
  home: string,
  of: {
    readonly certificates: readonly Certificate[];
    readonly keyPassphrase: string | null;
    readonly passphrase: string | null;
    /** How the key is protected when it is in use. */
    readonly keys: KeyProtection;
  },
): Promise<FirstHostOutcome> {
  const layout = homeLayout(home);
  const operation = await readStateFile<Operation>(operationFile(layout));
  const key = await readPendingKey(folderOf(layout), new KeyProtection(of.keyPassphrase));
  if (operation === null || key === null)
    throw new DomainError("not-found", `${home} has no first host that waits for its certificate`);
  const leaf = of.certificates.find((certificate) => !isAuthorityCertificate(certificate));
  if (leaf === undefined)
    throw new DomainError("invalid-input", "there is no certificate of the host in what was given");
  const differences = differencesFromRequest(parseRequestPem(key.requestPem), leaf, nodeCryptoPort);
  if (differences.length > 0) return { certificate: certificateText(leaf), differences };
  const { signing, domainId, ...request } = operation;
  const authority = authorityOf(leaf, of.certificates, signing);
  refuseUnfit(authority, leaf);
  const made = await initializeHome(home, {
    ...request,
    domainName: "CN=Domain",
    passphrase: of.passphrase,
    keys: of.keys,
    identity: {
      domainId,
      key,
      certificate: leaf,
      authority,
    },
  });
  await dropPendingKey(folderOf(layout));
  return { made };
}

/** Before anything is made: a CA that could not issue what a domain needs. Throws `certificate-rejected`. */
function refuseUnfit(authority: GivenAuthority, { extensions }: Certificate): void {
  const names = extensions.subjectAltName ?? [];
  const needed = { subjectAltName: names, extendedKeyUsage: extensions.extendedKeyUsage ?? [] };
  const [problem] = authorityProblems(
    {
      chain: authorityChain({ id: "given" as AuthorityId, ...authority }),
      earlier: [],
      leaves: [{ name: "nodemanager-1", ...needed }],
      atMs: Date.now(),
    },
    nodeCryptoPort,
  );
  if (problem !== undefined)
    throw new DomainError(
      "certificate-rejected",
      `the CA cannot be that of a domain: ${problem.message}`,
    );
}

/** True where a first host waits for its certificate. */
export function awaitsFirstHost(home: string): boolean {
  return existsSync(operationFile(homeLayout(home)));
}

/** Gives up a first host that waits: its key and request are removed. */
export async function cancelFirstHost(home: string): Promise<void> {
  await dropPendingKey(folderOf(homeLayout(home)));
}

/** The CA of a certificate, with those between, from whatever was given with it. */
function authorityOf(
  leaf: Certificate,
  certificates: readonly Certificate[],
  signing: GivenAuthority["signing"],
): GivenAuthority {
  const { root, intermediates } = chainAbove(leaf, certificates);
  return {
    signing,
    certificatePem: certificatesPem([root]),
    intermediatesPem: certificatesPem(intermediates),
  };
}
