import type {
  AuthorityId,
  CredentialId,
  HostId,
  PlanId,
  ProcessId,
  RolloutId,
} from "../../../src/kit/index.ts";
import type { Authority, Credential, Host } from "../../../src/domain/index.ts";
import type { Plan, Rollout } from "../../../src/planning/index.ts";
import type { AuditEntry, Issuance } from "../../../src/control/index.ts";

export const entry: AuditEntry = {
  actor: "user:admin",
  action: "test.change",
  subject: "it",
  detail: { why: "test", n: 1, yes: true, none: null },
};

export const hostId = (n: number): HostId => `host-${n}` as HostId;
export const processId = (name: string): ProcessId => name as ProcessId;
export const authorityId = (n: number): AuthorityId => `authority-${n}` as AuthorityId;
export const credentialId = (name: string): CredentialId => name as CredentialId;

export function host(n: number, changes: Partial<Host> = {}): Host {
  return {
    id: hostId(n),
    name: `machine ${n}`,
    address: `10.0.0.${n}`,
    status: "active",
    dial: "nm",
    nodeManager: {
      id: processId(`nodemanager-${n}`),
      name: `Node Manager ${n}`,
      port: 8090,
      isAdmin: n === 1,
      sealingKey: null,
    },
    documentVersion: 1,
    ...changes,
  };
}

export function authority(n: number, changes: Partial<Authority> = {}): Authority {
  return {
    id: authorityId(n),
    usage: "management",
    signing: "generated",
    intermediatesPem: "",
    status: "current",
    subject: `CN=root ${n}`,
    certificatePem: "pem",
    crossCertificatePem: null,
    fingerprint: "00",
    crossFingerprint: null,
    predecessor: null,
    notAfterMs: 2_000_000_000_000,
    createdAtMs: 1_790_000_000_000,
    retiredAtMs: null,
    holders: [],
    ...changes,
  };
}

export function credential(name: string, changes: Partial<Credential> = {}): Credential {
  return {
    id: credentialId(`${name}/management`),
    process: processId(name),
    hostId: hostId(1),
    usage: "management",
    desired: { authorityId: authorityId(1), minSequence: 1, maxSequence: null },
    lastSequence: 0,
    recorded: [],
    ...changes,
  };
}

export function issuance(serial: string, changes: Partial<Issuance> = {}): Issuance {
  return {
    authorityId: authorityId(1),
    serial,
    kind: "leaf",
    credentialId: credentialId("instance-1/management"),
    sequence: 1,
    subject: "CN=instance-1",
    fingerprint: "aa",
    spki: "bb",
    notBeforeMs: 1,
    notAfterMs: 2,
    issuedAtMs: 3,
    der: Uint8Array.of(0x30, 0x03, 0, 255, 7),
    ...changes,
  };
}

export function plan(name: string): Plan {
  return {
    id: name as PlanId,
    kind: "rotate-ca",
    title: name,
    parentRevision: 0,
    createdAtMs: 1,
    createdBy: "user:admin",
    steps: [],
    successions: [],
    replaced: [],
    unprovable: [],
    problems: [],
  };
}

export function rollout(name: string, changes: Partial<Rollout> = {}): Rollout {
  return {
    id: name as RolloutId,
    planId: "plan-1" as PlanId,
    kind: "rotate-ca",
    title: name,
    status: "running",
    pausedFrom: null,
    successions: [],
    done: [],
    todo: [],
    waivers: [],
    version: 1,
    startedAtMs: 1,
    finishedAtMs: null,
    ...changes,
  };
}
