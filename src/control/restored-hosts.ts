import { type CredentialId, type HostId, type ProcessId } from "../kit/index.ts";
import {
  credentialId,
  recordIssued,
  restoredNumberGap,
  restoredVersionGap,
  type Anchor,
  type AuthorityUsage,
  type Credential,
  type GatewayConfiguration,
  type Host,
  type HostDocument,
  type KnownProcess,
  type RecordedKey,
} from "../domain/index.ts";
import {
  certificateFingerprint,
  formatName,
  parseCertificatesPem,
  spkiFingerprint,
  verifyPath,
  type Certificate,
} from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { newCredential } from "./issue.ts";
import type { StoreTransaction, TrustLink } from "./ports.ts";
import { currentTrust } from "./publish-trust.ts";

/** An instance as the host was told to run it. */
export interface PresentedInstance {
  readonly id: ProcessId;
  readonly name: string;
  readonly groupId: string;
  readonly managementPort: number;
  readonly servicesPort: number;
  readonly enabled: boolean;
  readonly configuration: GatewayConfiguration;
}

/** What a host shows to an Admin Node Manager that was restored. */
export interface Presentation {
  readonly hostId: HostId;
  /** Of the trust that it has loaded. */
  readonly epoch: number;
  readonly trustHash: string;
  /** Links above the store's head, verified as its continuation; others may have been here first. */
  readonly links: readonly TrustLink[];
  /** Its own, signed by the domain. */
  readonly document: HostDocument;
  /** The certificates that it presents. */
  readonly certificates: readonly {
    readonly credentialId: CredentialId;
    readonly sequence: number;
    readonly certificate: Certificate;
  }[];
  readonly instances: readonly PresentedInstance[];
}

const usages = ["management", "traffic"] as const;

type Env = Pick<ControlEnvironment, "clock" | "crypto">;

/**
 * Brings the store to what a host was told after the backup: the signed document says which processes
 * and keys it has, the certificates what was issued for them. Returns what was new, in words.
 */
export async function takeOver(
  tx: StoreTransaction,
  env: Env,
  presented: Presentation,
): Promise<string[]> {
  const { hostId, document } = presented;
  const known = await tx.topology.host(hostId);
  if (known !== undefined && document.version < known.documentVersion - restoredVersionGap)
    return [];
  const own = document.processes.find(({ role }) => role !== "gateway");
  if (own === undefined) return [];
  const found: string[] = [];
  if (known === undefined) {
    await tx.topology.putHost(hostFrom(own, document));
    found.push(`host ${hostId}`);
  }
  found.push(...(await followInstances(tx, presented)));
  const anchors = (await currentTrust(tx)).anchors;
  for (const shown of presented.certificates) {
    const process = document.processes.find(({ id }) => shown.credentialId.startsWith(`${id}/`));
    if (process !== undefined && (await importCertificate(tx, env, { anchors, process, shown })))
      found.push(`certificate ${shown.certificate.serialHex} of ${shown.credentialId}`);
  }
  for (const process of document.processes)
    for (const usage of process === own ? (["management"] as const) : usages)
      await tx.credentials.put(await ownedCredential(tx, process, usage, 0));
  return found;
}

/** A host that joined after the backup; nothing but its signed document says what it is. */
function hostFrom(own: KnownProcess, { hostId, version }: HostDocument): Host {
  return {
    id: hostId,
    name: hostId,
    address: own.address,
    status: "active",
    dial: "nm",
    documentVersion: version + restoredVersionGap,
    nodeManager: {
      id: own.id,
      name: own.name,
      port: own.port,
      isAdmin: own.role === "anm",
      sealingKey: null,
    },
  };
}

/** Adds the instances of the document that the store does not know, and removes those it lacks. */
async function followInstances(
  tx: StoreTransaction,
  { hostId, document, instances }: Presentation,
): Promise<string[]> {
  const found: string[] = [];
  const stated = new Set(document.processes.map(({ id }) => id));
  const known = new Map((await tx.topology.instances()).map((one) => [one.id, one]));
  for (const instance of known.values()) {
    if (instance.hostId !== hostId || stated.has(instance.id)) continue;
    for (const usage of usages) await tx.credentials.remove(credentialId(instance.id, usage));
    await tx.topology.removeInstance(instance.id);
    found.push(`deletion of ${instance.id}`);
  }
  for (const shown of instances) {
    if (!stated.has(shown.id) || known.has(shown.id)) continue;
    const { configuration, ...instance } = shown;
    const groupId = instance.groupId as Parameters<typeof tx.topology.removeGroup>[0];
    if (!(await tx.topology.groups()).some(({ id }) => id === groupId))
      await tx.topology.putGroup({ id: groupId, name: groupId, configuration });
    await tx.topology.putInstance({ ...instance, groupId, hostId, tags: {} });
    found.push(`instance ${instance.name} (${instance.id})`);
  }
  return found;
}

interface Import {
  readonly anchors: readonly Anchor[];
  readonly process: KnownProcess;
  readonly shown: Presentation["certificates"][number];
}

/** True if the certificate is one of this domain's that the store did not have. */
async function importCertificate(
  tx: StoreTransaction,
  env: Env,
  { anchors, process, shown }: Import,
): Promise<boolean> {
  const { certificate, sequence } = shown;
  const usage: AuthorityUsage = shown.credentialId.endsWith("/traffic") ? "traffic" : "management";
  const anchor = anchors.find(
    (candidate) => candidate.usage === usage && isUnder(env, certificate, candidate),
  );
  const spki = spkiFingerprint(certificate.spki, env.crypto);
  // The signed document names the keys of management identities, and those alone open anything.
  if (anchor === undefined || (usage === "management" && !process.keys.includes(spki)))
    return false;
  const { authorityId } = anchor;
  const { serialHex: serial, notBeforeMs, notAfterMs } = certificate;
  if ((await tx.issuances.find(authorityId, serial)) !== undefined) return false;
  const credential = await ownedCredential(tx, process, usage, sequence);
  await tx.issuances.append({
    authorityId,
    serial,
    kind: "leaf",
    credentialId: credential.id,
    sequence,
    subject: formatName(certificate.subject),
    fingerprint: certificateFingerprint(certificate, env.crypto),
    spki,
    notBeforeMs,
    notAfterMs,
    issuedAtMs: env.clock.nowMs(),
    der: certificate.der,
  });
  const key: RecordedKey = {
    spki,
    serial,
    sequence,
    authorityId,
    notBeforeMs,
    notAfterMs,
    confirmed: true,
  };
  const recorded = recordIssued(credential.recorded, key);
  await tx.credentials.put({ ...credential, recorded });
  await tx.topology.raiseDocumentVersion(process.hostId);
  return true;
}

async function ownedCredential(
  tx: StoreTransaction,
  { id: process, hostId }: KnownProcess,
  usage: AuthorityUsage,
  sequence: number,
): Promise<Credential> {
  const known = await tx.credentials.get(credentialId(process, usage));
  if (known !== undefined) return known;
  const made = await newCredential(tx, { process, hostId, usage });
  return { ...made, lastSequence: sequence + restoredNumberGap };
}

/** Its dates do not matter: what was issued was issued. */
function isUnder(
  env: Env,
  leaf: Certificate,
  { certificatePem, intermediatesPem = "" }: Anchor,
): boolean {
  const purposes = ["clientAuth", "serverAuth"] as const;
  return purposes.some(
    (purpose) =>
      verifyPath(
        {
          leaf,
          anchors: parseCertificatesPem(certificatePem),
          intermediates: parseCertificatesPem(intermediatesPem),
          atMs: leaf.notBeforeMs + 1000,
          purpose,
        },
        env.crypto,
      ).ok,
  );
}
