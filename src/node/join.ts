import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { DomainError, isDomainError } from "../kit/index.ts";
import {
  anchorsFor,
  formatSpiffeId,
  homeLayout,
  splitJoinToken,
  type AuthoritySigning,
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
  generateKeyPair,
  keyPairOf,
  KeyProtection,
  nodeCryptoPort,
  presentGeneration,
  requestForKey,
  writeFileAtomic,
  type KeyPair,
  type PendingKey,
} from "../keys/index.ts";
import {
  adminServerTls,
  ApiCaller,
  apiPrefix,
  callApi,
  fetchPinnedTrust,
  type LoadedTrust,
} from "../transport/index.ts";
import { installAdminSecrets, type DatabaseLogin } from "./admin-secrets.ts";
import { installIssued } from "./credential-folder.ts";
import { lockForJoining, removeLeftovers, reserveRoom } from "./join-lock.ts";
import {
  dropPendingJoin,
  keepPendingJoin,
  readPendingJoin,
  requirePendingKey,
  type AwaitedJoin,
} from "./pending-join.ts";

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
  /** Further names in its certificate, as `DNS:name`. */
  readonly alternativeNames?: readonly string[];
  /** How the user wants it signed; absent: as the domain signs. */
  readonly signing?: AuthoritySigning;
  /** Encrypts the key while its certificate is signed elsewhere. */
  readonly keyPassphrase?: string | null;
}

export interface JoinedHost {
  readonly settings: NodeSettings;
  /** As it asked to join. */
  readonly request: JoinDomainRequest;
  /** Serial of the Node Manager's certificate, hexadecimal, and its end. */
  readonly serial: string;
  readonly notAfterMs: number;
  /** By a CA that was made in the domain. */
  readonly isSignedHere: boolean;
}

type JoinAnswer = RouteResponse<"joinHost">;
type Admission = Extract<JoinAnswer, { certificatePem: string }>;

/**
 * `managedomain --add`: joins an empty home folder to a domain. The key is made here and stays
 * here. Room on the disk is made sure of before the token is spent; the settings file is written
 * last and marks the home as joined; what a failed try made is removed. Only the key stays once the
 * token may be spent: by the same token and key the next try is admitted as the same host. In a
 * domain whose certificates are signed elsewhere it ends with a request that waits, for
 * `completeJoin`. Throws `home-exists`, `home-locked`, `disk-full`, `read-only`, and what the Admin
 * Node Manager refuses with.
 */
export async function joinDomain(
  home: string,
  request: JoinDomainRequest,
  keys = new KeyProtection(),
): Promise<JoinedHost | AwaitedJoin> {
  const layout = homeLayout(home);
  splitJoinToken(request.token);
  return alone(layout, async () => {
    if (await readPendingJoin(layout))
      throw new DomainError(
        "home-exists",
        `${home} waits for the certificate with which it joins: bring it with --submit_cert, have it signed by \`gatehouse signing sign --ca FILE.p12\` at an Admin Node Manager and run --submit_cert, or cancel with \`gatehouse signing cancel\``,
      );
    return join(layout, request, { keys, keyOf: () => joiningKey(layout, keys) });
  });
}

/**
 * The second half of a join whose certificate is signed elsewhere: brings the certificate, with those
 * of its CAs; without any, takes the one that was brought to the domain meanwhile. Throws
 * `not-found` where nothing waits, `unauthenticated` for the key's passphrase.
 */
export async function completeJoin(
  home: string,
  of: { readonly certificates: readonly Certificate[]; readonly keyPassphrase: string | null },
  keys = new KeyProtection(),
): Promise<JoinedHost | AwaitedJoin> {
  const layout = homeLayout(home);
  return alone(layout, async () => {
    const pending = await readPendingJoin(layout);
    if (pending === null)
      throw new DomainError("not-found", `${home} has no join that waits for its certificate`);
    const passphrase = of.keyPassphrase ?? keys.passphrases.current;
    const key = await requirePendingKey(pending, passphrase);
    return join(layout, pending.request, {
      keys,
      keyOf: async () => key,
      certificates: of.certificates,
    });
  });
}

async function alone<T>(layout: HomeLayout, work: () => Promise<T>): Promise<T> {
  refuseJoined(layout);
  const unlock = await lockForJoining(layout);
  try {
    refuseJoined(layout);
    await removeLeftovers(layout);
    return await work();
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

/** Before the token is spent: the trust document says how the domain signs. */
function refuseOtherSigning(trust: LoadedTrust, wanted: AuthoritySigning | undefined): void {
  const own = anchorsFor(trust.document, "management").map(({ signing = "generated" }) => signing);
  if (wanted === undefined || own.includes(wanted)) return;
  throw new DomainError(
    "conflict",
    `this domain's certificates are signed by a CA that is ${own.join(" or ")}, not ${wanted}: leave the option out; \`gatehouse plan change-signing ${wanted}\` changes the whole domain`,
  );
}

type JoiningKey = Pick<PendingKey, "privateKey" | "requestPem">;

async function join(
  layout: HomeLayout,
  request: JoinDomainRequest,
  of: {
    /** How the host's keys are protected once it has joined. */
    readonly keys: KeyProtection;
    readonly keyOf: () => Promise<JoiningKey>;
    readonly certificates?: readonly Certificate[];
  },
): Promise<JoinedHost | AwaitedJoin> {
  const { keys, certificates = [] } = of;
  const releaseRoom = await reserveRoom(layout);
  const server = { address: request.anmHost, port: request.anmPort };
  const trust = await fetchPinnedTrust(server, splitJoinToken(request.token).trustKeyId);
  refuseOtherSigning(trust, request.signing);
  const key = await of.keyOf();
  const isAdmin = (request.admin ?? null) !== null;
  const sealing = isAdmin ? await generateKeyPair("ecdsa-p256") : null;
  const answer = await admit(trust, request, { ...key, certificates, sealing }).catch(
    async (error: unknown) => {
      if (!isAnswerLost(error)) await rm(keyFile(layout), { force: true });
      throw error;
    },
  );
  await releaseRoom();
  if ("awaits" in answer) {
    const { awaits, nodeManagerId, submissions } = answer;
    await rm(keyFile(layout), { force: true });
    if ((await readPendingJoin(layout)) === null) {
      const keyPassphrase = request.keyPassphrase ?? keys.passphrases.current;
      const waiting = { request: { ...request, keyPassphrase }, nodeManagerId };
      const kept = await keepPendingJoin(layout, waiting, awaits);
      return join(layout, request, { keys, keyOf: async () => kept });
    }
    if (awaits.requestedSpki !== null)
      return { awaits: { nodeManagerId, requestPem: key.requestPem, submissions } };
    throw new DomainError(
      "conflict",
      "the domain waits for no certificate of this host's key any more: cancel with `gatehouse signing cancel` and join anew",
    );
  }
  try {
    const joined = await install(layout, request, { admission: answer, trust, key, keys, sealing });
    await rm(keyFile(layout), { force: true });
    await dropPendingJoin(layout, answer.nodeManagerId);
    return joined;
  } catch (error) {
    if (!isDomainError(error)) throw error;
    const { hostId } = answer;
    throw new DomainError(
      error.code,
      `${error.message}; the domain knows ${request.hostName} by now: mend that and run the same command again, with the same token, or run \`gatehouse host delete ${hostId}\``,
      { context: error.context, cause: error },
    );
  }
}

async function install(
  layout: HomeLayout,
  request: JoinDomainRequest,
  of: {
    readonly admission: Admission;
    readonly trust: LoadedTrust;
    readonly key: JoiningKey;
    readonly keys: KeyProtection;
    readonly sealing: KeyPair | null;
  },
): Promise<JoinedHost> {
  const { admission, trust, key, keys, sealing } = of;
  trust.accept(admission.trust);
  trust.acceptHost(admission.hostDocument);
  const { privateKey } = key;
  const { spki } = keyPairOf(privateKey);
  const certificate = checkedCertificate(admission, trust, spki, sealing === null ? "nm" : "anm");
  await installIssued(
    layout.nodeCredential,
    { privateKey, keys },
    admission.certificatePem,
    admission,
  );
  await presentGeneration(layout.nodeCredential, admission.sequence);
  const saved = { ...trust.save(), recent: trust.recent };
  await writeFileAtomic(layout.trust, JSON.stringify(saved), { mode: 0o600 });
  if (sealing !== null) await becomeAdmin(layout, request, admission, sealing);
  const settings = settingsOf(request, admission, trust);
  await writeFileAtomic(layout.nodeSettings, `${JSON.stringify(settings, null, 2)}\n`, {
    mode: 0o600,
  });
  const { serialHex: serial, notAfterMs } = certificate;
  const issuer = trust.document.anchors.find((each) => each.authorityId === admission.authorityId);
  return { settings, request, serial, notAfterMs, isSignedHere: issuer?.signing === undefined };
}

async function admit(
  trust: LoadedTrust,
  request: JoinDomainRequest,
  of: {
    readonly requestPem: string;
    readonly certificates: readonly Certificate[];
    readonly sealing: KeyPair | null;
  },
): Promise<JoinAnswer> {
  const { anmHost, anmPort, token, hostName, address, nodeManagerName, port } = request;
  const { requestPem, sealing } = of;
  const tls = adminServerTls({ trust, caller: "joiner", nowMs: () => Date.now() });
  const caller = new ApiCaller({ address: anmHost, port: anmPort, prefix: apiPrefix }, tls);
  try {
    const admin =
      sealing === null
        ? {}
        : { admin: { sealingKey: Buffer.from(sealing.spki).toString("base64") } };
    // One of the version before knows no other way than the host's.
    const dial = request.dial === "anm" ? { dial: request.dial } : {};
    const names = request.alternativeNames ?? [];
    const more = {
      ...(names.length === 0 ? {} : { alternativeNames: [...names] }),
      ...(of.certificates.length === 0
        ? {}
        : { certificates: of.certificates.map(({ der }) => Buffer.from(der).toString("base64")) }),
    };
    const host = { hostName, address, nodeManagerName, port };
    const body = { token, ...host, requestPem, ...dial, ...admin, ...more };
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
async function joiningKey(layout: HomeLayout, keys: KeyProtection): Promise<JoiningKey> {
  const path = keyFile(layout);
  if (!existsSync(path)) {
    const { privateKey } = await generateKeyPair("ecdsa-p256");
    await writeFileAtomic(path, await keys.toPem(privateKey), { mode: 0o600 });
  }
  const privateKey = await keys.read(path);
  return { privateKey, requestPem: await requestForKey(privateKey, "CN=Node Manager") };
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
  spki: Uint8Array,
  role: Role,
): Certificate {
  const refuse = (why: string): never => {
    throw new DomainError("certificate-rejected", `the certificate that was issued ${why}`);
  };
  const [leaf] = parseCertificatesPem(admission.certificatePem);
  if (leaf === undefined) return refuse("is not there");
  if (!bytesEqual(leaf.spki, spki)) return refuse("is for another key than this host's");
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
  await installAdminSecrets(layout, admin, sealing, request.admin ?? {});
}

const keyFile = (layout: HomeLayout): string => `${layout.home}/conf/joining.key.pem`;
