import { DomainError, type AuthorityId, type HostId, type ProcessId } from "../kit/index.ts";
import { checkAddress, checkName, checkPort, type Host } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { newCredential } from "./issue.ts";
import { makeAuthority, trafficSubject, type NewAuthority } from "./make-authority.ts";
import type { StoreTransaction } from "./ports.ts";
import { anchorOf, publishTrust } from "./publish-trust.ts";

export interface InitializeRequest {
  readonly domainId: string;
  /** Subject of the first management CA, as `--domain_name` gives it; `CN=Domain`. */
  readonly domainName: string;
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  readonly administrator: { readonly name: string; readonly password: string };
}

/**
 * Makes a domain in an empty store: both first authorities, the first host with its Admin Node
 * Manager, its credential, the administrator and trust epoch 1. The credential's certificate is
 * then issued like any other. Throws `home-exists` when the store holds a domain already.
 */
export async function initializeDomain(
  env: ControlEnvironment,
  request: InitializeRequest,
): Promise<Host> {
  const host = firstHost(request);
  checkName("user", request.administrator.name);
  const passwordHash = await env.passwords.hash(request.administrator.password);
  const { management, traffic } = await firstAuthorities(env, request, host);
  const entry = {
    actor: "system:initialize",
    action: "domain.initialize",
    subject: request.domainId,
    detail: { host: host.id },
  };
  await env.store.write(entry, async (tx) => {
    await refuseSecondDomain(tx);
    await tx.topology.putDomain({
      id: request.domainId,
      name: request.domainName,
      createdAtMs: env.clock.nowMs(),
      trustSigningKey: env.trustKey.keyId,
    });
    await tx.topology.putHost(host);
    for (const kind of ["host", "nodemanager", "authority"] as const)
      await tx.topology.nextNumber(kind, 1);
    for (const { authority, record } of [management, traffic]) {
      await tx.authorities.put({ ...authority, status: "current" });
      await record(tx);
    }
    await tx.credentials.put(
      await newCredential(tx, {
        process: host.nodeManager.id,
        hostId: host.id,
        usage: "management",
      }),
    );
    await tx.accounts.putUser({
      name: request.administrator.name,
      role: "administrator",
      passwordHash,
      createdAtMs: env.clock.nowMs(),
    });
    await publishTrust(tx, env, {
      anchors: () => [anchorOf(management.authority), anchorOf(traffic.authority)],
    });
  });
  return host;
}

async function firstAuthorities(
  env: ControlEnvironment,
  { domainId, domainName }: InitializeRequest,
  host: Host,
): Promise<{ management: NewAuthority; traffic: NewAuthority }> {
  const management = await makeAuthority(env, {
    id: "management-1" as AuthorityId,
    usage: "management",
    subject: domainName,
    predecessor: null,
    earlier: [],
    holders: [host],
  });
  const traffic = await makeAuthority(env, {
    id: "traffic-1" as AuthorityId,
    usage: "traffic",
    subject: trafficSubject(1, domainId),
    predecessor: null,
    earlier: [management.root],
    holders: [host],
  });
  return { management, traffic };
}

async function refuseSecondDomain(tx: StoreTransaction): Promise<void> {
  const hosts = await tx.topology.hosts();
  if (hosts.length > 0)
    throw new DomainError(
      "home-exists",
      "this home folder already holds a domain: use another folder, or remove this one first",
    );
}

function firstHost(request: InitializeRequest): Host {
  return {
    id: "host-1" as HostId,
    name: checkName("host", request.hostName),
    address: checkAddress(request.address),
    status: "active",
    dial: "nm",
    documentVersion: 1,
    nodeManager: {
      id: "nodemanager-1" as ProcessId,
      name: checkName("Node Manager", request.nodeManagerName),
      port: checkPort(request.port),
      isAdmin: true,
      sealingKey: null,
    },
  };
}
