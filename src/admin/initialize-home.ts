import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import {
  credentialId,
  homeLayout,
  isSignedElsewhere,
  type Envelope,
  type HomeLayout,
  type Host,
  type NodeSettings,
} from "../domain/index.ts";
import { encodePem, type Certificate } from "../pki/index.ts";
import {
  initializeDomain,
  issueCredential,
  nodeManagerNames,
  requestSignature,
  submitCertificates,
  type ControlEnvironment,
  type FirstAdministrator,
} from "../control/index.ts";
import type { GivenAuthority } from "../planning/index.ts";
import {
  ensureFolder,
  generateKeyPair,
  installGeneration,
  makeHomeFolder,
  presentGeneration,
  privateKeyToPem,
  requestForKey,
  writeFileAtomic,
  type PendingKey,
} from "../keys/index.ts";
import { lockHome } from "../store/index.ts";
import { fingerprintOfPem, LoadedTrust } from "../transport/index.ts";
import { openEnvironment } from "./environment.ts";
import { writeProjections } from "./projections.ts";
import { announceSealingKey } from "./sealing-key.ts";
import { createTrustKey } from "./trust-key.ts";

export interface InitializeHomeRequest {
  readonly domainName: string;
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  /** Further names in its certificate, as `DNS:name`. */
  readonly alternativeNames?: readonly string[];
  readonly administrator: FirstAdministrator;
  /** Encrypts the keys of the CAs; null: they are in files that only their owner can read. */
  readonly passphrase?: string | null;
  /** The identity that was signed elsewhere; absent: a CA is made that signs it. */
  readonly identity?: SignedIdentity;
}

/** A host's identity whose certificate was signed elsewhere, and the CA that did. */
interface SignedIdentity {
  readonly domainId: string;
  readonly key: PendingKey;
  readonly certificate: Certificate;
  readonly authority: GivenAuthority;
}

export interface InitializedHome {
  readonly settings: NodeSettings;
  readonly hostName: string;
  readonly administrator: string;
  /** Of the domain's management CA. */
  readonly authoritySubject: string;
  /** Hex SHA-256 of the domain's management CA: what people compare at the first contact. */
  readonly authorityFingerprint: string;
  /** Null: it is not on this host. */
  readonly authorityKeyFile: string | null;
}

/** Without those of a request that waits for its certificate. */
async function removeKeys({ authorityKeys, temporaryKeys }: HomeLayout): Promise<void> {
  for (const name of await readdir(authorityKeys).catch((): string[] => [])) {
    const path = `${authorityKeys}/${name}`;
    if (path !== temporaryKeys) await rm(path, { recursive: true, force: true });
  }
}

/**
 * `managedomain --initialize`: makes a domain in an empty home folder, offline. The settings file
 * is written last and marks the home as done; what an interrupted or failed try left is removed.
 * Throws `home-exists`, `home-locked`, `disk-full`, `read-only`, `invalid-name`.
 */
export async function initializeHome(
  home: string,
  request: InitializeHomeRequest,
): Promise<InitializedHome> {
  const layout = homeLayout(home);
  if (existsSync(layout.nodeSettings)) {
    throw new DomainError(
      "home-exists",
      `${home} is part of a domain already: choose another folder with --home, or remove this one first`,
    );
  }
  await ensureHome(layout);
  const lock = await lockHome(layout.store);
  try {
    await removeLeftovers(layout);
    return await makeDomain(layout, request);
  } catch (error) {
    await removeLeftovers(layout);
    throw error;
  } finally {
    lock.release();
    if (!existsSync(layout.nodeSettings)) await removeEmptyFolders(layout);
  }
}

/** Of a try that failed nothing stays, the lock and empty folders included. */
async function removeEmptyFolders(layout: HomeLayout): Promise<void> {
  await rm(layout.store, { recursive: true, force: true });
  const { home } = layout;
  for (const folder of [
    `${home}/conf/fed`,
    `${home}/conf`,
    `${home}/groups/certs/private`,
    `${home}/groups/certs`,
    `${home}/groups`,
    home,
  ]) {
    // One that holds something of the operator's own stays.
    await rmdir(folder).catch(() => undefined);
  }
}

async function ensureHome(layout: HomeLayout): Promise<void> {
  await makeHomeFolder(layout.home);
  await ensureFolder(layout.store, 0o700);
}

/** Everything below the home but the lock of this very command and files of the operator's own. */
async function removeLeftovers(layout: HomeLayout): Promise<void> {
  for (const name of await readdir(layout.store)) {
    if (name.startsWith("gatehouse.db")) await rm(`${layout.store}/${name}`, { force: true });
  }
  await removeKeys(layout);
  for (const made of [
    layout.nodeCredential,
    layout.trust,
    layout.topologyJson,
    layout.domainCertificate,
  ]) {
    await rm(made, { recursive: true, force: true });
  }
}

async function makeDomain(
  layout: HomeLayout,
  request: InitializeHomeRequest,
): Promise<InitializedHome> {
  const trustKey = await createTrustKey(layout);
  const env = await openEnvironment(layout, "nodemanager-1", trustKey);
  try {
    const { passphrase = null, identity } = request;
    const domainId = identity?.domainId ?? randomUUID();
    if (passphrase !== null) env.authorityKeys.files.protectWith(passphrase);
    const given = identity === undefined ? {} : { given: identity.authority };
    const host = await initializeDomain(env, { ...request, ...given, domainId });
    // Not at its first start, where its home may be locked.
    await announceSealingKey({ env, layout, hostId: host.id });
    const hostDocument = await issueFirstCredential(env, layout, { host, domainId, identity });
    const { links, authority } = await env.store.read(async (view) => ({
      links: await view.trust.after(0, 100),
      authority: await view.authorities.current("management"),
    }));
    const trust = new LoadedTrust(trustKey.keyId);
    trust.accept(links.map((link) => link.envelope));
    trust.acceptHost(hostDocument);
    await writeFileAtomic(layout.trust, JSON.stringify(trust.save()), { mode: 0o600 });
    await writeProjections({ env, layout });
    const settings = settingsOf(host, domainId, trustKey.keyId);
    const text = `${JSON.stringify(settings, null, 2)}\n`;
    await writeFileAtomic(layout.nodeSettings, text, { mode: 0o600 });
    return {
      settings,
      hostName: host.name,
      administrator: request.administrator.name,
      authoritySubject: authority.subject,
      authorityFingerprint: fingerprintOfPem(authority.certificatePem),
      authorityKeyFile: isSignedElsewhere(authority) ? null : layout.authorityKey(authority.id),
    };
  } finally {
    await env.close();
  }
}

/** Issues the first Node Manager's certificate, or takes the one that was brought, and presents it. */
async function issueFirstCredential(
  env: ControlEnvironment,
  layout: HomeLayout,
  { host, domainId, identity }: FirstCredential,
): Promise<Envelope> {
  const { privateKey } = identity?.key ?? (await generateKeyPair("ecdsa-p256"));
  const { subject } = nodeManagerNames(host, domainId);
  const of = {
    hostId: host.id,
    credentialId: credentialId(host.nodeManager.id, "management"),
    actor: "system:initialize",
    requestPem: identity?.key.requestPem ?? (await requestForKey(privateKey, subject)),
  };
  if (identity !== undefined) await bring(env, of, identity.certificate);
  const { der, hostDocument, ...meta } = await issueCredential(env, {
    ...of,
    presentedSerial: null,
  });
  await installGeneration(layout.nodeCredential, {
    sequence: meta.sequence,
    keyPem: privateKeyToPem(privateKey),
    certificatePem: encodePem("CERTIFICATE", der),
    chainPem: "",
    meta,
  });
  await presentGeneration(layout.nodeCredential, meta.sequence);
  return hostDocument;
}

interface FirstCredential {
  readonly host: Host;
  readonly domainId: string;
  readonly identity: SignedIdentity | undefined;
}

/** As any host's certificate that was signed elsewhere: the request first, then what came back for it. */
async function bring(
  env: ControlEnvironment,
  of: Parameters<typeof requestSignature>[1],
  certificate: Certificate,
): Promise<void> {
  await requestSignature(env, of);
  const { actor } = of;
  const [submission] = await submitCertificates(env, { certificates: [certificate], actor });
  const [difference] = submission?.differences ?? [];
  if (difference !== undefined)
    throw new DomainError(
      "certificate-rejected",
      `the certificate of the first host: ${difference.field} is ${difference.got}, not ${difference.wanted}`,
    );
}

function settingsOf(host: Host, domain: string, trustKeyId: string): NodeSettings {
  const { id, name, port } = host.nodeManager;
  return {
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
}
