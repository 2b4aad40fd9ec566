import { DomainError, type CredentialId, type ProcessId } from "../kit/index.ts";
import {
  credentialId,
  wantNewer,
  type Credential,
  type Denial,
  type Host,
} from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { refuseLastAdmin } from "./last-admin.ts";
import type { Issuance, StoreTransaction } from "./ports.ts";
import { publishTrust } from "./publish-trust.ts";
import { withdrawKeys } from "./share-keys.ts";

export type RevokeRequest = { readonly reason: string; readonly actor: string } & (
  | { readonly process: ProcessId }
  | { readonly serial: string }
);

/** What was put on the deny list, and whose it was. */
interface Revoked {
  readonly denied: readonly Denial[];
  readonly processes: readonly ProcessId[];
}

/**
 * Puts every key of a process, or the one certificate with a serial, on the deny list of the
 * signed trust document, and wants new keys in their place where there is somebody to trust with
 * them:
 * - an instance: each of its credentials is replaced at once by its Node Manager;
 * - a Node Manager: its host's user could read every key there, so the keys of all its instances
 *   are denied too and the host is `revoked` for good;
 * - the certificate that an instance's peers accept: that one credential is replaced at once;
 * - a certificate that a Node Manager's peers accept: the same as revoking that Node Manager, who
 *   would have no other way in;
 * - any other certificate: it is denied, and that is all.
 *
 * Returns the epoch at which it takes effect, and the processes whose keys or certificates were
 * denied. Throws `not-found`, and `forbidden` for the only Admin Node Manager, for the
 * only one that holds a key that may sign, and for a CA.
 */
export async function revoke(
  env: ControlEnvironment,
  request: RevokeRequest,
): Promise<{ epoch: number; denied: number; processes: readonly ProcessId[] }> {
  const subject = "process" in request ? request.process : request.serial;
  return env.store.write(
    {
      actor: request.actor,
      action: "certificate.revoke",
      subject,
      detail: { reason: request.reason },
    },
    async (tx) => {
      const { denied, processes } =
        "process" in request
          ? await revokeProcess(tx, request.process, request.reason)
          : await revokeSerial(tx, request.serial, request.reason);
      const { epoch } = await publishTrust(tx, env, { deny: denied });
      return { epoch, denied: denied.length, processes };
    },
  );
}

async function revokeProcess(
  tx: StoreTransaction,
  process: ProcessId,
  reason: string,
): Promise<Revoked> {
  const host = (await tx.topology.hosts()).find(({ nodeManager }) => nodeManager.id === process);
  if (host !== undefined) return revokeHost(tx, host, reason);
  const { instances, members } = await tx.topology.whole();
  if (![...instances, ...members].some(({ id }) => id === process))
    throw new DomainError(
      "not-found",
      `there is no process ${process} in this domain: \`managedomain --print_topology\` lists them`,
    );
  const denied: Denial[] = [];
  for (const credential of await credentialsOf(tx, process)) {
    denied.push(...keyDenials(credential, reason));
    await tx.credentials.put({ ...credential, desired: wantNewer(credential) });
  }
  return { denied, processes: [process] };
}

/** Without credentials the host can be issued nothing, and no plan or gate looks at it. */
async function revokeHost(tx: StoreTransaction, host: Host, reason: string): Promise<Revoked> {
  await refuseLastAdmin(
    tx,
    host,
    "replace its certificate with `gatehouse plan replace-leaves` instead",
  );
  const { instances, members } = await tx.topology.whole();
  const there = [...instances, ...members].filter(({ hostId }) => hostId === host.id);
  const processes = [host.nodeManager.id, ...there.map(({ id }) => id)];
  const denied: Denial[] = [];
  for (const process of processes) denied.push(...(await removeCredentials(tx, process, reason)));
  await withdrawKeys(tx, host);
  await tx.topology.putHost({ ...host, status: "revoked" });
  await tx.observations.removeHost(host.id);
  return { denied, processes };
}

async function revokeSerial(
  tx: StoreTransaction,
  serial: string,
  reason: string,
): Promise<Revoked> {
  const found: Issuance[] = [];
  for (const authority of await tx.authorities.all()) {
    const issuance = await tx.issuances.find(authority.id, serial);
    if (issuance !== undefined) found.push(issuance);
  }
  if (found.length === 0)
    throw new DomainError(
      "not-found",
      `no certificate with serial ${serial} was issued by this domain: \`gatehouse issuances\` lists them`,
    );
  const all: Revoked[] = [];
  for (const issuance of found) all.push(await revokeCertificate(tx, issuance, reason));
  return {
    denied: all.flatMap(({ denied }) => denied),
    processes: all.flatMap(({ processes }) => processes),
  };
}

async function revokeCertificate(
  tx: StoreTransaction,
  issuance: Issuance,
  reason: string,
): Promise<Revoked> {
  if (issuance.kind === "root" || issuance.kind === "cross")
    throw new DomainError(
      "forbidden",
      `this is the certificate of the CA ${issuance.subject}, and everything under it would be refused: replace the CA with \`gatehouse plan rotate-ca\``,
    );
  const credential = await acceptedWith(tx, issuance);
  if (credential !== undefined) {
    const host = (await tx.topology.hosts()).find(
      ({ nodeManager }) => nodeManager.id === credential.process,
    );
    if (host !== undefined) return revokeHost(tx, host, reason);
    await tx.credentials.put({ ...credential, desired: wantNewer(credential) });
  }
  const { fingerprint } = issuance;
  return {
    denied: [{ kind: "certificate", fingerprint, reason }],
    processes: credential === undefined ? [] : [credential.process],
  };
}

/** The credential for which peers accept the key of this certificate; undefined: none does any more. */
async function acceptedWith(
  tx: StoreTransaction,
  { credentialId: id, serial, authorityId }: Issuance,
): Promise<Credential | undefined> {
  const credential = id === null ? undefined : await tx.credentials.get(id as CredentialId);
  const isRecorded = credential?.recorded.some(
    (key) => key.serial === serial && key.authorityId === authorityId,
  );
  return isRecorded === true ? credential : undefined;
}

function keyDenials({ recorded }: Credential, reason: string): Denial[] {
  return recorded.map((key): Denial => ({ kind: "key", fingerprint: key.spki, reason }));
}

async function credentialsOf(tx: StoreTransaction, process: ProcessId): Promise<Credential[]> {
  const member = (await tx.topology.members()).find(({ id }) => id === process);
  const usages = member === undefined ? (["management", "traffic"] as const) : [member.serviceId];
  const found = await Promise.all(
    usages.map((usage) => tx.credentials.get(credentialId(process, usage))),
  );
  return found.flatMap((credential) => credential ?? []);
}

/** Removes the credentials of a process and returns the denial of every key recorded for them. */
export async function removeCredentials(
  tx: StoreTransaction,
  process: ProcessId,
  reason: string,
): Promise<Denial[]> {
  const credentials = await credentialsOf(tx, process);
  for (const { id } of credentials) {
    await tx.signingRequests.remove(id);
    await tx.credentials.remove(id);
  }
  return credentials.flatMap((credential) => keyDenials(credential, reason));
}
