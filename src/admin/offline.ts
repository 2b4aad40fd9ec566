import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { readdir, rm, rmdir } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import {
  credentialId,
  homeLayout,
  type Envelope,
  type HomeLayout,
  type Host,
  type NodeSettings,
} from "../domain/index.ts";
import { encodePem } from "../pki/index.ts";
import {
  initializeDomain,
  issueCredential,
  nodeManagerNames,
  type ControlEnvironment,
} from "../control/index.ts";
import {
  ensureFolder,
  generateKeyPair,
  installGeneration,
  makeHomeFolder,
  presentGeneration,
  privateKeyToPem,
  requestForKey,
  writeFileAtomic,
} from "../keys/index.ts";
import { lockHome } from "../store/index.ts";
import { fingerprintOfPem, LoadedTrust } from "../transport/index.ts";
import { openEnvironment } from "./environment.ts";
import { writeProjections } from "./projections.ts";
import { announceSealingKey } from "./sealing-key.ts";
import { createTrustKey } from "./trust-key.ts";

export { databaseLoginProblem, forgetDatabaseSettings, saveDatabaseSettings } from "./database.ts";
export { changePassphrase } from "./change-passphrase.ts";

export interface InitializeHomeRequest {
  readonly domainName: string;
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  readonly administrator: { readonly name: string; readonly password: string };
  /** Encrypts the keys of the CAs; null: they are in files that only their owner can read. */
  readonly passphrase?: string | null;
}

export interface InitializedHome {
  readonly settings: NodeSettings;
  /** Hex SHA-256 of the domain's management CA: what people compare at the first contact. */
  readonly authorityFingerprint: string;
  readonly authorityKeyFile: string;
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
  for (const made of [
    layout.authorityKeys,
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
    const domainId = randomUUID();
    const { passphrase = null } = request;
    if (passphrase !== null) env.authorityKeys.files.protectWith(passphrase);
    const host = await initializeDomain(env, { ...request, domainId });
    // Not at its first start, where its home may be locked.
    await announceSealingKey({ env, layout, hostId: host.id });
    const hostDocument = await issueFirstCredential(env, layout, host, domainId);
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
      authorityFingerprint: fingerprintOfPem(authority.certificatePem),
      authorityKeyFile: layout.authorityKey(authority.id),
    };
  } finally {
    await env.close();
  }
}

/** Makes the first Node Manager's key and presents its certificate; returns the host's document. */
async function issueFirstCredential(
  env: ControlEnvironment,
  layout: HomeLayout,
  host: Host,
  domainId: string,
): Promise<Envelope> {
  const { privateKey } = await generateKeyPair("ecdsa-p256");
  const { subject } = nodeManagerNames(host, domainId);
  const { der, hostDocument, ...meta } = await issueCredential(env, {
    hostId: host.id,
    credentialId: credentialId(host.nodeManager.id, "management"),
    actor: "system:initialize",
    requestPem: await requestForKey(privateKey, subject),
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
