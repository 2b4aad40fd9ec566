import { existsSync } from "node:fs";
import { open, rm, rmdir } from "node:fs/promises";
import type { KeyObject } from "node:crypto";
import { dirname } from "node:path";
import { DomainError, isDomainError } from "../kit/index.ts";
import {
  anchorsFor,
  formatSpiffeId,
  homeLayout,
  splitJoinToken,
  type Dial,
  type HomeLayout,
  type NodeSettings,
  type Role,
} from "../domain/index.ts";
import {
  bytesEqual,
  oid,
  parseCertificatesPem,
  verifyPath,
  type Certificate,
} from "../pki/index.ts";
import type { RouteResponse } from "../contract/index.ts";
import {
  ensureFolder,
  generateKeyPair,
  makeHomeFolder,
  keyPairOf,
  nodeCryptoPort,
  presentGeneration,
  privateKeyToPem,
  readPrivateKeyFile,
  requestForKey,
  unseal,
  writeFileAtomic,
  type KeyPair,
} from "../keys/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchPinnedTrust,
  isAlive,
  LoadedTrust,
  markOf,
  readMark,
  readNodeSettings,
  readStateFile,
  type SavedTrust,
} from "../transport/index.ts";
import { installIssued } from "./credential-folder.ts";

/** What a home folder says of its host; null where the host is in no domain yet. */
export interface LocalHome {
  readonly layout: HomeLayout;
  readonly joined: { readonly settings: NodeSettings; readonly trust: LoadedTrust } | null;
}

/** Reads what a host knows of itself and whom it trusts. Throws `state-corrupt`, `read-only`. */
export async function openLocalHome(home: string): Promise<LocalHome> {
  const layout = homeLayout(home);
  const settings = await readNodeSettings(layout.nodeSettings);
  if (settings === null) return { layout, joined: null };
  const saved = await readStateFile<SavedTrust>(layout.trust);
  if (saved === null)
    throw new DomainError(
      "state-corrupt",
      `${layout.trust} is missing: restore it from a backup, or join the host again`,
    );
  return { layout, joined: { settings, trust: LoadedTrust.restore(saved) } };
}

export interface JoinDomainRequest {
  /** The Admin Node Manager to join at. */
  readonly anmHost: string;
  readonly anmPort: number;
  /** As `gatehouse token create` printed it; it pins the trust-signing key. */
  readonly token: string;
  readonly hostName: string;
  /** At which other hosts reach this one. */
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  /** It becomes an Admin Node Manager, and gets the database's password from there; absent: it does not. */
  readonly admin?: DatabaseLogin | null;
  /** Who opens the connections from then on: `anm` for a host that reaches no Admin Node Manager; absent: the host. */
  readonly dial?: Dial;
}

/** Where the password of the domain's database comes from on this host. */
export interface DatabaseLogin {
  readonly passwordFile?: string;
  readonly passwordExec?: readonly string[];
}

export interface JoinedHost {
  readonly settings: NodeSettings;
  /** Serial of the Node Manager's certificate, hexadecimal, and its end. */
  readonly serial: string;
  readonly notAfterMs: number;
}

type Admission = RouteResponse<"joinHost">;

/**
 * `managedomain --add`: joins an empty home folder to a domain. The key is made here and stays
 * here. Room on the disk is made sure of before the token is spent; the settings file is written
 * last and marks the home as joined; what a failed try made is removed. Only the key stays once the
 * token may be spent: by the same token and key the next try is admitted as the same host. Throws
 * `home-exists`, `home-locked`, `disk-full`, `read-only`, and what the Admin Node Manager refuses with.
 */
export async function joinDomain(home: string, request: JoinDomainRequest): Promise<JoinedHost> {
  const layout = homeLayout(home);
  splitJoinToken(request.token);
  refuseJoined(layout);
  const unlock = await lockForJoining(layout);
  try {
    refuseJoined(layout);
    await removeLeftovers(layout);
    return await join(layout, request);
  } catch (error) {
    await removeLeftovers(layout);
    throw error;
  } finally {
    await unlock();
  }
}

function refuseJoined(layout: HomeLayout): void {
  if (existsSync(layout.nodeSettings))
    throw new DomainError(
      "home-exists",
      `${layout.home} is part of a domain already: choose another folder with --home, or remove this one first`,
    );
}

async function join(layout: HomeLayout, request: JoinDomainRequest): Promise<JoinedHost> {
  const releaseRoom = await reserveRoom(layout);
  const server = { address: request.anmHost, port: request.anmPort };
  const trust = await fetchPinnedTrust(server, splitJoinToken(request.token).trustKeyId);
  const keys = await joiningKey(layout);
  const isAdmin = (request.admin ?? null) !== null;
  const sealing = isAdmin ? await generateKeyPair("ecdsa-p256") : null;
  const admission = await admit(trust, request, keys.privateKey, sealing).catch(
    async (error: unknown) => {
      if (!isAnswerLost(error)) await rm(keyFile(layout), { force: true });
      throw error;
    },
  );
  try {
    trust.accept(admission.trust);
    trust.acceptHost(admission.hostDocument);
    const certificate = checkedCertificate(admission, trust, keys, sealing === null ? "nm" : "anm");
    await releaseRoom();
    await installIssued(
      layout.nodeCredential,
      keys.privateKey,
      admission.certificatePem,
      admission,
    );
    await presentGeneration(layout.nodeCredential, admission.sequence);
    await writeFileAtomic(layout.trust, JSON.stringify(trust.save()), { mode: 0o600 });
    if (sealing !== null) await becomeAdmin(layout, request, admission, sealing);
    const settings = settingsOf(request, admission, trust);
    await writeFileAtomic(layout.nodeSettings, `${JSON.stringify(settings, null, 2)}\n`, {
      mode: 0o600,
    });
    await rm(keyFile(layout), { force: true });
    return { settings, serial: certificate.serialHex, notAfterMs: certificate.notAfterMs };
  } catch (error) {
    if (!isDomainError(error)) throw error;
    const { hostId } = admission;
    throw new DomainError(
      error.code,
      `${error.message}; the domain knows ${request.hostName} by now: mend that and run the same command again, with the same token, or run \`gatehouse host delete ${hostId}\``,
      { context: error.context, cause: error },
    );
  }
}

async function admit(
  trust: LoadedTrust,
  request: JoinDomainRequest,
  privateKey: KeyObject,
  sealing: KeyPair | null,
): Promise<Admission> {
  const { anmHost, anmPort, token, hostName, address, nodeManagerName, port } = request;
  const tls = adminServerTls({ trust, caller: "joiner", nowMs: () => Date.now() });
  const caller = new ApiCaller({ address: anmHost, port: anmPort, prefix: apiPrefix }, tls);
  try {
    const requestPem = await requestForKey(privateKey, "CN=Node Manager");
    const admin =
      sealing === null
        ? {}
        : { admin: { sealingKey: Buffer.from(sealing.spki).toString("base64") } };
    // One of the version before knows no other way than the host's.
    const dial = request.dial === "anm" ? { dial: request.dial } : {};
    const body = { token, hostName, address, nodeManagerName, port, requestPem, ...dial, ...admin };
    return await callApi(caller, "joinHost", { body });
  } catch (error) {
    if (!isAnswerLost(error)) throw error;
    throw new DomainError(
      error.code,
      `${anmHost}:${anmPort} was asked to admit ${hostName}, and its answer did not arrive: run the same command again, with the same token`,
      { cause: error },
    );
  } finally {
    caller.close();
  }
}

/** True if the request may have been carried out all the same. */
function isAnswerLost(error: unknown): error is DomainError {
  return isDomainError(error, "timeout") || isDomainError(error, "unreachable");
}

/** The key of this host: that of a try whose answer was lost, or a new one, kept until it is answered. */
async function joiningKey(layout: HomeLayout): Promise<KeyPair> {
  const path = keyFile(layout);
  if (existsSync(path)) return keyPairOf(await readPrivateKeyFile(path));
  const keys = await generateKeyPair("ecdsa-p256");
  await writeFileAtomic(path, privateKeyToPem(keys.privateKey), { mode: 0o600 });
  return keys;
}

function settingsOf(
  request: JoinDomainRequest,
  admission: Admission,
  trust: LoadedTrust,
): NodeSettings {
  return {
    domain: trust.document.domain,
    hostId: admission.hostId,
    nodeManagerId: admission.nodeManagerId,
    name: request.nodeManagerName,
    port: request.port,
    isAdmin: (request.admin ?? null) !== null,
    trustKeyId: splitJoinToken(request.token).trustKeyId,
    adminAddress: request.anmHost,
    adminPort: request.anmPort,
    ...(request.dial === undefined ? {} : { dial: request.dial }),
  };
}

/** The issued certificate, if it is for our key, our identity, and from an authority we trust. */
function checkedCertificate(
  admission: Admission,
  trust: LoadedTrust,
  keys: KeyPair,
  role: Role,
): Certificate {
  const refuse = (why: string): never => {
    throw new DomainError("certificate-rejected", `the certificate that was issued ${why}`);
  };
  const [leaf] = parseCertificatesPem(admission.certificatePem);
  if (leaf === undefined) return refuse("is not there");
  if (!bytesEqual(leaf.spki, keys.spki)) return refuse("is for another key than this host's");
  const anchors = anchorsFor(trust.document, "management");
  const verdict = verifyPath(
    {
      leaf,
      anchors: anchors.flatMap((anchor) => parseCertificatesPem(anchor.certificatePem)),
      intermediates: anchors.flatMap((anchor) =>
        parseCertificatesPem((anchor.intermediatesPem ?? "") + (anchor.crossCertificatePem ?? "")),
      ),
      atMs: Date.now(),
      purpose: "clientAuth",
      requireUsages: [oid.nodeManager],
    },
    nodeCryptoPort,
  );
  if (!verdict.ok) return refuse(`does not verify: ${verdict.failure.message}`);
  const uri = formatSpiffeId({
    trustDomain: trust.document.domain,
    role,
    subject: admission.hostId,
  });
  const names = leaf.extensions.subjectAltName ?? [];
  return names.some((name) => name.type === "uri" && name.value === uri)
    ? leaf
    : refuse(`does not name ${uri}`);
}

/** Unseals the trust-signing key, and writes where the domain's store is. */
async function becomeAdmin(
  layout: HomeLayout,
  request: JoinDomainRequest,
  { admin }: Admission,
  sealing: KeyPair,
): Promise<void> {
  if (admin === null)
    throw new DomainError(
      "certificate-rejected",
      "the answer does not hold what an Admin Node Manager needs",
    );
  const { databaseUrl, databaseIdentity, sealedTrustKey } = admin;
  const trustKeyPem = await unseal(sealedTrustKey, sealing.privateKey);
  for (const folder of [layout.authorityKeys, layout.store]) await ensureFolder(folder, 0o700);
  const secret = { mode: 0o600 };
  await writeFileAtomic(layout.sealingKey, privateKeyToPem(sealing.privateKey), secret);
  await writeFileAtomic(layout.trustKey, trustKeyPem, secret);
  const settings = { url: databaseUrl, ...request.admin };
  await writeFileAtomic(layout.databaseSettings, `${JSON.stringify(settings, null, 2)}\n`, secret);
  await writeFileAtomic(layout.databaseIdentity, `${JSON.stringify(databaseIdentity)}\n`, secret);
}

const lockFile = (layout: HomeLayout): string => `${layout.home}/conf/joining.json`;
const roomFile = (layout: HomeLayout): string => `${layout.home}/conf/joining.room`;
const keyFile = (layout: HomeLayout): string => `${layout.home}/conf/joining.key.pem`;

/** More than credential, trust and settings take together. */
const roomBytes = 512 * 1024;

/** Takes the room that the answer will need, so that a full disk is found before the token is spent. */
async function reserveRoom(layout: HomeLayout): Promise<() => Promise<void>> {
  await writeFileAtomic(roomFile(layout), Buffer.alloc(roomBytes, 1), { mode: 0o600 });
  return () => rm(roomFile(layout), { force: true });
}

/** Everything below the home that an interrupted or failed try made; the operator's own files stay. */
async function removeLeftovers(layout: HomeLayout): Promise<void> {
  if (existsSync(layout.nodeSettings)) return;
  for (const made of [
    roomFile(layout),
    layout.nodeCredential,
    layout.trust,
    layout.sealingKey,
    layout.trustKey,
    layout.databaseSettings,
    layout.databaseIdentity,
  ])
    await rm(made, { recursive: true, force: true });
  await rmdir(dirname(layout.nodeCredential)).catch(() => undefined);
}

/**
 * Takes the home for one joining process. The lock names its process by pid and start time, so
 * that what a killed one left holds nobody back.
 */
async function lockForJoining(layout: HomeLayout): Promise<() => Promise<void>> {
  const file = lockFile(layout);
  const made = await makeFolders(layout);
  const mark = JSON.stringify(await markOf(process.pid));
  try {
    if (!(await createExclusively(file, mark))) {
      const holder = await readMark(file);
      if (holder !== null && (await isAlive(holder)))
        throw new DomainError(
          "home-locked",
          `the process ${holder.pid} is joining ${layout.home} at this moment: wait until it ends`,
        );
      await rm(file, { force: true });
      await createExclusively(file, mark);
    }
  } catch (error) {
    await removeIfEmpty(made);
    throw error;
  }
  return async () => {
    await rm(file, { force: true });
    if (!existsSync(layout.nodeSettings)) await removeIfEmpty(made);
  };
}

/** Makes the folders, and returns those that were not there, innermost first. */
async function makeFolders(layout: HomeLayout): Promise<string[]> {
  const made = await makeHomeFolder(layout.home);
  const conf = dirname(layout.nodeSettings);
  if (!existsSync(conf)) made.unshift(conf);
  try {
    await ensureFolder(conf, 0o700);
  } catch (error) {
    await removeIfEmpty(made);
    throw error;
  }
  return made;
}

async function removeIfEmpty(folders: readonly string[]): Promise<void> {
  for (const folder of folders) await rmdir(folder).catch(() => undefined);
}

/** True if the file is new and holds `text`; false if it was there. */
async function createExclusively(path: string, text: string): Promise<boolean> {
  try {
    const handle = await open(path, "wx", 0o600);
    try {
      await handle.writeFile(text);
    } finally {
      await handle.close();
    }
    return true;
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "EEXIST") return false;
    throw new DomainError(
      code === "ENOSPC" ? "disk-full" : "read-only",
      `${path} cannot be written: make room, or check the owner and mode of its folder`,
      { cause },
    );
  }
}
