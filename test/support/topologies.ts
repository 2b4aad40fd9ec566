import type {
  AuthorityId,
  GroupId,
  HostId,
  ProcessId,
  RelyingPartyId,
  ServiceId,
} from "../../src/kit/index.ts";
import type {
  DriverTraits,
  Group,
  Host,
  Instance,
  Member,
  RelyingParty,
  Service,
  Topology,
} from "../../src/domain/index.ts";

/** `host-1` with `nodemanager-1`; the first is an Admin Node Manager unless the changes say otherwise. */
export function testHost(
  number: number,
  changes: Partial<Host> & { isAdmin?: boolean } = {},
): Host {
  const { isAdmin = number === 1, ...rest } = changes;
  return {
    id: `host-${number}` as HostId,
    name: `name of host ${number}`,
    address: `host-${number}.example`,
    status: "active",
    dial: "nm",
    documentVersion: 1,
    nodeManager: {
      id: `nodemanager-${number}` as ProcessId,
      name: `node manager ${number}`,
      port: 8090,
      isAdmin,
      sealingKey: null,
    },
    ...rest,
  };
}

export function testInstance(
  number: number,
  hostNumber: number,
  changes: Partial<Instance> = {},
): Instance {
  return {
    id: `instance-${number}` as ProcessId,
    name: `name of instance ${number}`,
    groupId: "group-2" as GroupId,
    hostId: `host-${hostNumber}` as HostId,
    managementPort: 8084 + number,
    servicesPort: 18_080 + number,
    enabled: true,
    tags: {},
    ...changes,
  };
}

export const testTraits: DriverTraits = {
  overlap: true,
  keyBy: "reload",
  trustBy: "reload",
  verifiesPeers: true,
  roles: "none",
  evidence: "handshake",
  copiesCredentials: false,
  countsCalls: true,
  backWithinSeconds: 60,
};

export function testService(
  changes: Partial<Service> = {},
  traits: Partial<DriverTraits> = {},
): Service {
  return {
    id: "service-1" as ServiceId,
    name: "cache",
    shape: "cluster",
    driver: { name: "server", traits: { ...testTraits, ...traits }, description: {} },
    supervised: true,
    maxUnavailable: 1,
    dnsNames: [],
    active: null,
    ...changes,
  };
}

/** On host-1, host-2 and so on, each trusting the first authority of the service. */
export function testMember(number: number, changes: Partial<Member> = {}): Member {
  return {
    id: `member-${number}` as ProcessId,
    name: `cache-${number}`,
    serviceId: "service-1" as ServiceId,
    hostId: `host-${number}` as HostId,
    variables: {},
    dnsNames: [],
    pair: null,
    enabled: true,
    trusts: ["service-1-1" as AuthorityId],
    ...changes,
  };
}

export function testParty(number: number): RelyingParty {
  return {
    id: `relying-party-${number}` as RelyingPartyId,
    name: `party ${number}`,
    createdAtMs: 0,
  };
}

const group: Group = {
  id: "group-2" as GroupId,
  name: "group",
  configuration: { routes: [], dnsNames: ["api.example"] },
};

export function testTopology(parts: Partial<Topology> = {}): Topology {
  return {
    domain: { id: "domain.example", name: "CN=Domain", createdAtMs: 0, trustSigningKey: "key" },
    hosts: [testHost(1)],
    groups: [group],
    instances: [],
    relyingParties: [],
    services: [],
    members: [],
    ...parts,
  };
}
