import type { AuthorityId, ServiceId } from "../kit/index.ts";
import type { Host } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import {
  givenAuthority,
  makeAuthority,
  onlyCertificate,
  type NewAuthority,
} from "./make-authority.ts";
import type { StoreTransaction } from "./ports.ts";
import { anchorOf, publishTrust } from "./publish-trust.ts";

/** The first authority of a service that is about to be. */
export interface ServiceAuthority {
  readonly service: ServiceId;
  readonly made: NewAuthority;
}

/** Subject of a CA of a service: callers outside may know several of one domain. */
export function serviceSubject(serviceName: string, number: number, domainId: string): string {
  return `CN=${serviceName.replaceAll(/[^A-Za-z0-9 ._-]/gu, "-")} CA ${number},OU=${domainId}`;
}

/**
 * Gives a new service its number, and makes its authority; or takes the CA of the files that were found on its
 * hosts, whose key nobody has here. Nothing is trusted yet.
 */
export async function prepareServiceAuthority(
  env: ControlEnvironment,
  { name, foundCaPem }: { readonly name: string; readonly foundCaPem: string | null },
): Promise<ServiceAuthority> {
  const { service, number, domainId, known, hosts } = await env.store.note(async (tx) => ({
    service: `service-${await tx.topology.nextNumber("service", 1)}` as ServiceId,
    number: await tx.topology.nextNumber("authority", 1),
    domainId: (await tx.topology.domain()).id,
    known: await tx.authorities.all(),
    hosts: await tx.topology.hosts(),
  }));
  const id = `${service}-${number}` as AuthorityId;
  if (foundCaPem !== null) {
    const given = {
      signing: "external",
      certificatePem: foundCaPem,
      intermediatesPem: "",
    } as const;
    return { service, made: givenAuthority(env, id, given, service) };
  }
  const made = await makeAuthority(env, {
    id,
    usage: service,
    subject: serviceSubject(name, number, domainId),
    predecessor: null,
    earlier: known.map(({ certificatePem }) => onlyCertificate(certificatePem)),
    holders: activeAdmins(hosts),
  });
  return { service, made };
}

/** Makes it the current one, and publishes it: the members trust it from their first start on. */
export async function introduceServiceAuthority(
  tx: StoreTransaction,
  env: ControlEnvironment,
  { made: { authority, record } }: ServiceAuthority,
): Promise<void> {
  await tx.authorities.put({ ...authority, status: "current" });
  await record(tx);
  await publishTrust(tx, env, { anchors: (anchors) => [...anchors, anchorOf(authority)] });
}

/** Who gets the key of a CA that none before it certifies: nobody had that one's, or it was lost. */
export function activeAdmins(hosts: readonly Host[]): Host[] {
  return hosts.filter(({ status, nodeManager }) => nodeManager.isAdmin && status === "active");
}
