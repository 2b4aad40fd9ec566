import type { AuthorityId, HostId, PlanId, ProcessId, RolloutId } from "../../src/kit/index.ts";
import {
  credentialId,
  processesOf,
  type Authority,
  type AuthorityUsage,
  type Credential,
  type CredentialObservation,
  type HostObservation,
  type ProcessObservation,
  type Topology,
} from "../../src/domain/index.ts";
import type {
  AppliedStep,
  DomainSnapshot,
  ForeignCertificate,
  Rollout,
  Step,
} from "../../src/planning/index.ts";
import { testNowMs } from "./certificates.ts";
import { testTopology } from "./topologies.ts";

export function testAuthority(
  usage: AuthorityUsage,
  number: number,
  changes: Partial<Authority> = {},
): Authority {
  const id = `${usage}-${number}` as AuthorityId;
  return {
    id,
    usage,
    signing: "generated",
    intermediatesPem: "",
    status: "current",
    subject: `CN=${id}`,
    certificatePem: `certificate of ${id}`,
    crossCertificatePem: null,
    fingerprint: `fingerprint of ${id}`,
    crossFingerprint: null,
    holders: ["host-1" as HostId],
    predecessor: null,
    notAfterMs: testNowMs + 1e10,
    createdAtMs: 0,
    retiredAtMs: null,
    ...changes,
  };
}

/** A credential of the first authority of its usage, issued once, with that key confirmed. */
export function testCredential(
  process: ProcessId,
  usage: AuthorityUsage,
  changes: Partial<Credential> = {},
): Credential {
  const authorityId = `${usage}-1` as AuthorityId;
  return {
    id: credentialId(process, usage),
    process,
    hostId: "host-1" as HostId,
    usage,
    desired: { authorityId, minSequence: 1, maxSequence: null },
    lastSequence: 1,
    recorded: [
      {
        spki: `key 1 of ${process}`,
        serial: `serial 1 of ${process}`,
        sequence: 1,
        authorityId,
        notBeforeMs: 0,
        notAfterMs: testNowMs + 1e9,
        confirmed: true,
      },
    ],
    ...changes,
  };
}

/** A process that runs with everything of `epoch` loaded. */
export function testProcess(
  id: ProcessId,
  epoch: number,
  changes: Partial<ProcessObservation> = {},
): ProcessObservation {
  return {
    id,
    state: "running",
    pid: 1,
    loadedEpoch: epoch,
    filesEpoch: epoch,
    oldestConnectionEpoch: epoch,
    lastError: null,
    ...changes,
  };
}

/** A credential that is installed and was seen on the wire. */
export function presentedCredential(
  credential: Pick<Credential, "id">,
  generation: { authorityId: string; sequence: number; isSeen?: boolean },
): CredentialObservation {
  const { authorityId, sequence, isSeen = true } = generation;
  const serial = `serial ${sequence} of ${credential.id}`;
  return {
    id: credential.id,
    installed: {
      sequence,
      serial,
      authorityId: authorityId as AuthorityId,
      notAfterMs: testNowMs + 1e9,
    },
    seenOnWire: isSeen ? { serial, by: "nodemanager-1" as ProcessId, atMs: 0 } : null,
    failedRenewals: 0,
    lastError: null,
  };
}

/** Signed outside, by the key of `management-1`; it ends within a day. */
export function foreignCertificate(serial: string): ForeignCertificate {
  return {
    authorityId: "management-1" as AuthorityId,
    serial,
    subject: `CN=holder of ${serial}`,
    fingerprint: `of ${serial}`,
    notAfterMs: testNowMs + 1000,
  };
}

/**
 * A domain in which everything is as desired at `epoch`: every host reports, every process has
 * loaded the trust, every credential is presented.
 */
export function settledSnapshot(
  topology: Topology = testTopology(),
  changes: Partial<DomainSnapshot> = {},
  epoch = 5,
): DomainSnapshot {
  const credentials = changes.credentials ?? credentialsOf(topology);
  const processes = processesOf(topology);
  const hosts = topology.hosts.map(({ id }): HostObservation => ({
    hostId: id,
    bootId: `boot of ${id}`,
    receivedAtMs: testNowMs,
    processes: processes.filter((p) => p.hostId === id).map((p) => testProcess(p.id, epoch)),
    credentials: credentials
      .filter((credential) => credential.hostId === id)
      .map((c) =>
        presentedCredential(c, {
          authorityId: c.desired.authorityId,
          sequence: c.desired.minSequence,
        }),
      ),
    proofs: [],
  }));
  return {
    nowMs: testNowMs,
    revision: 7,
    topology,
    authorities: [
      testAuthority("management", 1),
      testAuthority("traffic", 1),
      ...topology.services.map(({ id }) => testAuthority(id, 1)),
    ],
    credentials,
    signingRequests: [],
    foreign: [],
    trust: {
      domain: topology.domain.id,
      epoch,
      previous: null,
      issuedAtMs: 0,
      anchors: [],
      denied: [],
      admins: [],
      signingKey: "key",
    },
    hosts,
    relyingParties: topology.relyingParties.map(({ id }) => ({
      id,
      receivedAtMs: testNowMs,
      loadedEpoch: epoch,
      oldestConnectionEpoch: epoch,
      proofs: [],
    })),
    silentAfterMs: 15_000,
    ...changes,
  };
}

function credentialsOf(topology: Topology): Credential[] {
  return [
    ...topology.hosts.map(({ id, nodeManager }) =>
      testCredential(nodeManager.id, "management", { hostId: id }),
    ),
    ...topology.instances.flatMap(({ id, hostId }) =>
      (["management", "traffic"] as const).map((usage) => testCredential(id, usage, { hostId })),
    ),
    ...topology.members.map(({ id, hostId, serviceId }) =>
      testCredential(id, serviceId, { hostId }),
    ),
  ];
}

export function testStep(changes: Partial<Step> = {}): Step {
  return {
    id: "step",
    phase: "introduce",
    title: "a step",
    edit: { do: "watch" },
    gate: [],
    ...changes,
  };
}

export function appliedStep(step: Step, changes: Partial<AppliedStep> = {}): AppliedStep {
  return { step, appliedAtMs: testNowMs, epoch: 5, before: {}, heldAtMs: null, ...changes };
}

export function testRollout(changes: Partial<Rollout> = {}): Rollout {
  return {
    id: "rollout-1" as RolloutId,
    planId: "plan-1" as PlanId,
    kind: "rotate-ca",
    title: "Rotate",
    status: "running",
    pausedFrom: null,
    successions: [
      {
        usage: "management",
        from: "management-1" as AuthorityId,
        to: "management-2" as AuthorityId,
        subject: "CN=management-2",
      },
    ],
    done: [],
    todo: [],
    waivers: [],
    version: 1,
    startedAtMs: testNowMs,
    finishedAtMs: null,
    ...changes,
  };
}
