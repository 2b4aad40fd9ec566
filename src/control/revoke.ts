import { DomainError, type ProcessId } from "../kit/index.ts";
import { credentialId, processesOf, type Denial } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { Issuance, StoreTransaction } from "./ports.ts";
import { publishTrust } from "./publish-trust.ts";

export type RevokeRequest = { readonly reason: string; readonly actor: string } & (
  | { readonly process: ProcessId }
  | { readonly serial: string }
);

/**
 * Puts every key of a process, or the one certificate with a serial, on the deny list of the
 * signed trust document. Returns the epoch at which it takes effect. Throws `not-found`.
 */
export async function revoke(
  env: ControlEnvironment,
  request: RevokeRequest,
): Promise<{ epoch: number; denied: number }> {
  const subject = "process" in request ? request.process : request.serial;
  return env.store.write(
    {
      actor: request.actor,
      action: "certificate.revoke",
      subject,
      detail: { reason: request.reason },
    },
    async (tx) => {
      const denied =
        "process" in request
          ? await keysOfProcess(tx, request.process, request.reason)
          : await certificateBySerial(tx, request.serial, request.reason);
      const { epoch } = await publishTrust(tx, env, { deny: denied });
      return { epoch, denied: denied.length };
    },
  );
}

async function keysOfProcess(
  tx: StoreTransaction,
  process: ProcessId,
  reason: string,
): Promise<Denial[]> {
  const topology = await tx.topology.whole();
  const found = processesOf(topology).find((candidate) => candidate.id === process);
  const admin = topology.hosts.find(
    (host) => host.nodeManager.id === process && host.nodeManager.isAdmin,
  );
  if (admin !== undefined)
    throw new DomainError(
      "forbidden",
      `${process} is the only Admin Node Manager: replace its certificate with \`gatehouse plan replace-leaves\` instead`,
    );
  if (found === undefined)
    throw new DomainError(
      "not-found",
      `there is no process ${process} in this domain: \`managedomain --print_topology\` lists them`,
    );
  const credentials = (await tx.credentials.ofHost(found.hostId)).filter(
    (credential) => credential.process === process,
  );
  return credentials.flatMap((credential) =>
    credential.recorded.map((key): Denial => ({ kind: "key", fingerprint: key.spki, reason })),
  );
}

async function certificateBySerial(
  tx: StoreTransaction,
  serial: string,
  reason: string,
): Promise<Denial[]> {
  const denied: Denial[] = [];
  for (const authority of await tx.authorities.all()) {
    const issuance = await tx.issuances.find(authority.id, serial);
    if (issuance !== undefined) await refuseLastAdmin(tx, issuance);
    if (issuance !== undefined)
      denied.push({ kind: "certificate", fingerprint: issuance.fingerprint, reason });
  }
  if (denied.length > 0) return denied;
  throw new DomainError(
    "not-found",
    `no certificate with serial ${serial} was issued by this domain: \`gatehouse issuances\` lists them`,
  );
}

/** What the only Admin Node Manager presents cannot be denied: nobody could undo it. */
async function refuseLastAdmin(tx: StoreTransaction, issuance: Issuance): Promise<void> {
  for (const host of await tx.topology.hosts()) {
    const id = credentialId(host.nodeManager.id, "management");
    const recorded = (await tx.credentials.get(id))?.recorded ?? [];
    if (!host.nodeManager.isAdmin || !recorded.some((key) => key.serial === issuance.serial))
      continue;
    throw new DomainError(
      "forbidden",
      `this certificate is that of the only Admin Node Manager: replace it with \`gatehouse plan replace-leaves\` first`,
    );
  }
}
