import {
  credentialId,
  type Envelope,
  type HomeLayout,
  type Host,
  type NodeSettings,
} from "../domain/index.ts";
import { DomainError } from "../kit/index.ts";
import { encodePem, type Certificate } from "../pki/index.ts";
import {
  issueCredential,
  nodeManagerNames,
  requestSignature,
  submitCertificates,
  type ControlEnvironment,
} from "../control/index.ts";
import {
  generateKeyPair,
  installGeneration,
  presentGeneration,
  requestForKey,
  writeFileAtomic,
  type KeyProtection,
  type PendingKey,
} from "../keys/index.ts";
import { LoadedTrust } from "../transport/index.ts";

/** A host's identity whose certificate was signed elsewhere. */
export interface SignedIdentity {
  readonly key: PendingKey;
  /** Absent: it was brought already. */
  readonly certificate?: Certificate;
}

/**
 * Presents a certificate for the Node Manager of this home, offline: for a new key, or the one that
 * was signed elsewhere. Returns the host's document. Throws `certificate-rejected`.
 */
export async function issueOwnIdentity(
  env: ControlEnvironment,
  layout: HomeLayout,
  of: {
    readonly host: Host;
    readonly domainId: string;
    readonly actor: string;
    readonly signed?: SignedIdentity | undefined;
    /** How the key is protected. */
    readonly keys: KeyProtection;
  },
): Promise<Envelope> {
  const { host, domainId, actor, signed, keys } = of;
  const { privateKey } = signed?.key ?? (await generateKeyPair("ecdsa-p256"));
  const { subject } = nodeManagerNames(host, domainId);
  const request = {
    hostId: host.id,
    credentialId: credentialId(host.nodeManager.id, "management"),
    actor,
    requestPem: signed?.key.requestPem ?? (await requestForKey(privateKey, subject)),
  };
  if (signed?.certificate !== undefined) await bring(env, request, signed.certificate);
  const { der, hostDocument, ...meta } = await issueCredential(env, {
    ...request,
    presentedSerial: null,
  });
  await installGeneration(layout.nodeCredential, {
    sequence: meta.sequence,
    keyPem: await keys.toPem(privateKey),
    certificatePem: encodePem("CERTIFICATE", der),
    chainPem: "",
    meta,
  });
  await presentGeneration(layout.nodeCredential, meta.sequence);
  return hostDocument;
}

/** As any host's certificate that was signed elsewhere: the request first, then what came back for it. */
async function bring(
  env: ControlEnvironment,
  request: Parameters<typeof requestSignature>[1],
  certificate: Certificate,
): Promise<void> {
  await requestSignature(env, request);
  const { actor } = request;
  const [submission] = await submitCertificates(env, { certificates: [certificate], actor });
  const [difference] = submission?.differences ?? [];
  if (difference !== undefined)
    throw new DomainError(
      "certificate-rejected",
      `the certificate of this host: ${difference.field} is ${difference.got}, not ${difference.wanted}`,
    );
}

/** Writes the trust of the store, and this host's document, as what the host has loaded; returns the epoch. */
export async function writeOwnTrust(
  env: ControlEnvironment,
  layout: HomeLayout,
  hostDocument: Envelope,
): Promise<number> {
  const links = await env.store.read((view) => view.trust.after(0, 1_000_000));
  const trust = new LoadedTrust(links[0]?.envelope.keyId ?? env.trustKey.keyId);
  trust.accept(links.map((link) => link.envelope));
  trust.acceptHost(hostDocument);
  const saved = { ...trust.save(), recent: trust.recent };
  await writeFileAtomic(layout.trust, JSON.stringify(saved), { mode: 0o600 });
  return trust.epoch;
}

/** Writes the settings of a host with an Admin Node Manager, which mark its home as done. */
export async function writeOwnSettings(
  layout: HomeLayout,
  of: { readonly host: Host; readonly domainId: string; readonly trustKeyId: string },
): Promise<NodeSettings> {
  const { host, domainId: domain, trustKeyId } = of;
  const { id, name, port } = host.nodeManager;
  const settings = {
    domain,
    hostId: host.id,
    nodeManagerId: id,
    name,
    port,
    isAdmin: true,
    trustKeyId,
    adminAddress: host.address,
    adminPort: port,
  };
  const text = `${JSON.stringify(settings, null, 2)}\n`;
  await writeFileAtomic(layout.nodeSettings, text, { mode: 0o600 });
  return settings;
}
