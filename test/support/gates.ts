import type { AuthorityId } from "../../src/kit/index.ts";
import type {
  HostObservation,
  ProcessObservation,
  RelyingPartyObservation,
} from "../../src/domain/index.ts";
import {
  arrangeEvidence,
  blockersOf,
  type Condition,
  type DomainSnapshot,
  type Waiver,
} from "../../src/planning/index.ts";
import { testNowMs } from "./certificates.ts";
import { appliedStep, settledSnapshot, testStep } from "./snapshots.ts";
import { testHost, testInstance, testParty, testTopology } from "./topologies.ts";

export const epoch = 5;
export const next = "management-2" as AuthorityId;
export const topology = testTopology({
  hosts: [testHost(1), testHost(2)],
  instances: [testInstance(1, 2)],
  relyingParties: [testParty(1)],
});

export function waiver(subject: string, changes: Partial<Waiver> = {}): Waiver {
  return {
    subject,
    phase: "introduce",
    reason: "out of order",
    person: "user:admin",
    endsAtMs: testNowMs + 1,
    ...changes,
  };
}

/** Codes and subjects of what holds a gate back, in order. */
export function blockers(
  condition: Condition,
  snapshot: DomainSnapshot,
  waivers: readonly Waiver[] = [],
): string[] {
  const applied = appliedStep(testStep({ gate: [condition] }), { epoch });
  return blockersOf(applied, arrangeEvidence(snapshot), waivers)
    .map(({ code, subject }) => `${code} ${subject}`)
    .toSorted();
}

export type Change = (host: HostObservation) => HostObservation;

/** The settled domain, with what is known of one host changed. */
export function withHost(
  number: number,
  change: Change,
  base = settledSnapshot(topology),
): DomainSnapshot {
  const hosts = base.hosts.map((host) => (host.hostId === `host-${number}` ? change(host) : host));
  return { ...base, hosts };
}

export function changeProcess(id: string, changes: Partial<ProcessObservation>): Change {
  return (host) => ({
    ...host,
    processes: host.processes.map((p) => (p.id === id ? { ...p, ...changes } : p)),
  });
}

export function withParty(changes: Partial<RelyingPartyObservation>): DomainSnapshot {
  const base = settledSnapshot(topology);
  return { ...base, relyingParties: base.relyingParties.map((p) => ({ ...p, ...changes })) };
}

export const silent: Change = (host) => ({ ...host, receivedAtMs: testNowMs - 15_001 });
