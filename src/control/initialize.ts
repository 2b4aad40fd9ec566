import { DomainError, type AuthorityId, type HostId, type ProcessId } from "../kit/index.ts";
import type { SignatureDigest } from "../pki/index.ts";
import { checkAddress, checkName, checkPort, type Host } from "../domain/index.ts";
import type { GivenAuthority } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { newCredential } from "./issue.ts";
import {
  givenAuthority,
  makeAuthority,
  trafficSubject,
  type NewAuthority,
} from "./make-authority.ts";
import type { StoreTransaction } from "./ports.ts";
import { anchorOf, publishTrust } from "./publish-trust.ts";

/** The first user, by a password or by its hash. */
export type FirstAdministrator = { readonly name: string } & (
  | { readonly password: string }
  | { readonly passwordHash: string }
);

export interface InitializeRequest {
  readonly domainId: string;
  /** Subject of the first management CA, as `--domain_name` gives it; `CN=Domain`. */
  readonly domainName: string;
  /** What the CA that is made signs with; absent: SHA-256. */
  readonly digest?: SignatureDigest;
  /** The CA that signs the management identities; absent: one is made here. */
  readonly given?: GivenAuthority;
  /** The certificate of the CA whose key is here already; the domain signs with it as with its own. */
  readonly placedPem?: string;
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  /** Further names in its certificate, as `DNS:name`. */
  readonly alternativeNames?: readonly string[];
  readonly administrator: FirstAdministrator;
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
  const { administrator } = request;
  checkName("user", administrator.name);
  const passwordHash =
    "password" in administrator
      ? await env.passwords.hash(administrator.password)
      : administrator.passwordHash;
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
      name: administrator.name,
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
  { domainId, domainName, digest, given, placedPem }: InitializeRequest,
  host: Host,
): Promise<{ management: NewAuthority; traffic: NewAuthority }> {
  const id = "management-1" as AuthorityId;
  const asAsked = digest === undefined ? {} : { digest };
  const management =
    placedPem !== undefined
      ? placedAuthority(env, id, placedPem, host)
      : given === undefined
        ? await makeAuthority(env, {
            id,
            usage: "management",
            subject: domainName,
            predecessor: null,
            earlier: [],
            holders: [host],
            ...asAsked,
          })
        : givenAuthority(env, id, given);
  const traffic = await makeAuthority(env, {
    id: "traffic-1" as AuthorityId,
    usage: "traffic",
    subject: trafficSubject(1, domainId),
    predecessor: null,
    earlier: [management.root],
    holders: [host],
    ...asAsked,
  });
  return { management, traffic };
}

/** A root that an operator brought together with its key. */
function placedAuthority(
  env: ControlEnvironment,
  id: AuthorityId,
  certificatePem: string,
  host: Host,
): NewAuthority {
  const shape = { signing: "provided", certificatePem, intermediatesPem: "" } as const;
  const { root, authority, record } = givenAuthority(env, id, shape);
  return { root, record, authority: { ...authority, signing: "generated", holders: [host.id] } };
}

async function refuseSecondDomain(tx: StoreTransaction): Promise<void> {
  const hosts = await tx.topology.hosts();
  if (hosts.length > 0)
    throw new DomainError(
      "home-exists",
      "this home folder already holds a domain: use another folder, or remove this one first",
    );
}

/** The first host of a domain, as it is to be. Throws `invalid-name`. */
export function firstHost(
  request: Pick<
    InitializeRequest,
    "hostName" | "address" | "nodeManagerName" | "port" | "alternativeNames"
  >,
): Host {
  const { alternativeNames = [] } = request;
  return {
    id: "host-1" as HostId,
    name: checkName("host", request.hostName),
    address: checkAddress(request.address),
    status: "active",
    dial: "nm",
    ...(alternativeNames.length === 0 ? {} : { alternativeNames }),
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
