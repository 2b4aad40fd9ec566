import type { HostId, ProcessId } from "../kit/index.ts";
import {
  edgeKey,
  edgesOf,
  fits,
  isSignedElsewhere,
  type Credential,
  type Edge,
  type Finding,
  type Process,
} from "../domain/index.ts";
import { foreignHolders, isForeignSubject } from "./foreign-holders.ts";
import { canaryFindings } from "./canary.ts";
import type { Condition, Phase } from "./plan.ts";
import type { AppliedStep, Waiver } from "./rollout.ts";
import { illnessOf, notDisconnected, trustOfMembers } from "./service-gate.ts";
import { isSilent, type Evidence } from "./snapshot.ts";

/** What holds a gate back. Empty: it holds, but for a `held-for`, which `nextMove` counts. */
export function blockersOf(
  applied: AppliedStep,
  evidence: Evidence,
  waivers: readonly Waiver[],
): Finding[] {
  const gate = {
    evidence,
    applied,
    epoch: applied.epoch,
    isWaived: waivedSubjects(waivers, applied.step.phase, evidence.snapshot.nowMs),
  };
  const found = applied.step.gate.flatMap((condition) =>
    checks[condition.require](condition as never, gate),
  );
  if (found.length > 0) found.push(...overdue(applied, evidence.snapshot.nowMs));
  const bySubject = new Map(
    found.map((finding) => [`${finding.code} ${finding.subject}`, finding]),
  );
  return [...bySubject.values()];
}

function overdue({ step, appliedAtMs }: AppliedStep, nowMs: number): Finding[] {
  const seconds = step.deadlineSeconds;
  if (seconds === undefined || nowMs - appliedAtMs < seconds * 1000) return [];
  const text = `this step was to be done within ${seconds} s: see what it waits for, then mend that, or take the rollout back`;
  return [blocker("step-overdue", step.id, text)];
}

interface Gate {
  readonly evidence: Evidence;
  readonly applied: AppliedStep;
  readonly epoch: number;
  isWaived(subject: string): boolean;
}

/** Waivers of this phase that have not lapsed. */
function waivedSubjects(
  waivers: readonly Waiver[],
  phase: Phase,
  nowMs: number,
): (subject: string) => boolean {
  const subjects = new Set(
    waivers.filter((w) => w.phase === phase && nowMs < w.endsAtMs).map((w) => w.subject),
  );
  return (subject) => subjects.has(subject);
}

type Check<C extends Condition["require"]> = (
  condition: Extract<Condition, { require: C }>,
  gate: Gate,
) => Finding[];

const checks: { readonly [C in Condition["require"]]: Check<C> } = {
  "trust-loaded": (_condition, gate) => [...silentParties(gate), ...trustNotLoaded(gate)],
  "edges-proven": ({ authorities }, gate) => edgesNotProven(authorities, gate),
  signed: ({ credentials }, gate) => notSigned(new Set(credentials), gate),
  presented: ({ credentials }, gate) => {
    const wanted = new Set(credentials);
    return notPresented((credential) => wanted.has(credential.id), gate);
  },
  "all-presented": ({ usages }, gate) => {
    const concerns = (credential: Credential): boolean => usages.includes(credential.usage);
    return [...underOldAuthority(concerns, gate), ...notPresented(concerns, gate)];
  },
  "members-trust": (condition, gate) => trustOfMembers(gate.evidence, condition, gate.isWaived),
  "service-well": ({ service }, gate) => illnessOf(gate.evidence, service, gate.isWaived),
  disconnected: (condition, gate) => notDisconnected(gate.evidence, condition),
  "no-worse": (condition, gate) => canaryFindings(gate.evidence, gate.applied, condition),
  "old-connections-closed": (_condition, gate) => oldConnections(gate),
  "unmanaged-waived": ({ subjects }, gate) => unmanagedNotWaived(subjects, gate),
  "held-for": () => [],
};

function blocker(code: string, subject: string, text: string): Finding {
  return { code, severity: "error", subject, text };
}

/** Hosts and managed relying parties of which nothing fresh is known. */
function silentParties(gate: Gate): Finding[] {
  const { snapshot, hostOf, partyOf } = gate.evidence;
  const found: Finding[] = [];
  for (const host of snapshot.topology.hosts) {
    if (host.status !== "active" || gate.isWaived(host.id)) continue;
    if (isSilent(snapshot, hostOf.get(host.id))) {
      found.push(
        blocker(
          "host-silent",
          host.id,
          `host ${host.name} (${host.id}) is not connected: bring it back, delete it, or waive it`,
        ),
      );
    }
  }
  for (const party of snapshot.topology.relyingParties) {
    if (gate.isWaived(party.id)) continue;
    if (isSilent(snapshot, partyOf.get(party.id))) {
      found.push(
        blocker(
          "relying-party-silent",
          party.id,
          `relying party ${party.name} (${party.id}) does not report: bring it back, delete it, or waive it`,
        ),
      );
    }
  }
  return found;
}

/** Takes part in TLS now: an instance that does not run has files, and no conversations. */
function runs(process: ProcessId, gate: Gate): boolean {
  const state = gate.evidence.processOf.get(process)?.state;
  return state === "running" || state === "starting";
}

function trustNotLoaded(gate: Gate): Finding[] {
  const { snapshot, processes, processOf, partyOf } = gate.evidence;
  const late = (process: Process): boolean => {
    const seen = processOf.get(process.id);
    if (seen === undefined) return true;
    const stopped = process.role === "gateway" && !runs(process.id, gate);
    return (stopped ? seen.filesEpoch : (seen.loadedEpoch ?? 0)) < gate.epoch;
  };
  const found = processes
    .filter((process) => !gate.isWaived(process.hostId) && late(process))
    .map((process) =>
      blocker(
        "trust-not-loaded",
        process.id,
        `${process.name} (${process.id}) on ${process.hostId} has not loaded trust epoch ${gate.epoch}`,
      ),
    );
  for (const party of snapshot.topology.relyingParties) {
    if (gate.isWaived(party.id) || (partyOf.get(party.id)?.loadedEpoch ?? 0) >= gate.epoch)
      continue;
    found.push(
      blocker(
        "trust-not-loaded",
        party.id,
        `relying party ${party.name} (${party.id}) has not loaded trust epoch ${gate.epoch}`,
      ),
    );
  }
  return found;
}

function edgesNotProven(authorities: readonly string[], gate: Gate): Finding[] {
  const { snapshot, provenEpoch, processes } = gate.evidence;
  const hostOf = new Map<string, HostId>(processes.map((process) => [process.id, process.hostId]));
  const wanted = snapshot.authorities.filter((authority) => authorities.includes(authority.id));
  const counts = (edge: Edge): boolean => {
    const parties = [edge.verifier, edge.presenter];
    if (parties.some((party) => gate.isWaived(party) || gate.isWaived(hostOf.get(party) ?? "")))
      return false;
    return parties.every((party) => !hostOf.has(party) || runs(party as ProcessId, gate));
  };
  return edgesOf(snapshot.topology)
    .filter(counts)
    .flatMap((edge) =>
      wanted
        .filter(
          (authority) =>
            authority.usage === edge.usage &&
            (provenEpoch.get(edgeKey(edge, authority.id)) ?? 0) < gate.epoch,
        )
        .map((authority) =>
          blocker(
            "edge-not-proven",
            `${edge.verifier} ${edge.presenter}`,
            `${edge.verifier} has not proven that it accepts ${edge.presenter} under ${authority.subject}`,
          ),
        ),
    );
}

function underOldAuthority(concerns: (credential: Credential) => boolean, gate: Gate): Finding[] {
  const { authorities, credentials } = gate.evidence.snapshot;
  const current = new Set(
    authorities
      .filter((authority) => authority.status === "current")
      .map((authority) => authority.id),
  );
  return credentials
    .filter(
      (credential) =>
        concerns(credential) &&
        !gate.isWaived(credential.hostId) &&
        !current.has(credential.desired.authorityId),
    )
    .map((credential) =>
      blocker(
        "under-old-authority",
        credential.id,
        `${credential.id} on ${credential.hostId} still belongs to ${credential.desired.authorityId}`,
      ),
    );
}

/** Callers for whom nobody has answered, and holders of foreign certificates that are still in use. */
function unmanagedNotWaived(subjects: readonly string[], gate: Gate): Finding[] {
  const { snapshot } = gate.evidence;
  const holders = foreignHolders(
    snapshot,
    snapshot.authorities.map(({ id }) => id),
  );
  const textOf = new Map(holders.map(({ subject, text }) => [subject, text]));
  return subjects
    .filter((subject) => !gate.isWaived(subject))
    .filter((subject) => !isForeignSubject(subject) || textOf.has(subject))
    .map((subject) =>
      blocker(
        "unmanaged-not-waived",
        subject,
        textOf.get(subject) ??
          `nobody has answered for the callers ${subject}: give them the new CA, then waive ${subject} with a reason`,
      ),
    );
}

/** Certificates that are signed elsewhere, and were not brought back yet. */
function notSigned(wanted: ReadonlySet<string>, gate: Gate): Finding[] {
  const { credentials, signingRequests, authorities } = gate.evidence.snapshot;
  const elsewhere = new Set(authorities.filter(isSignedElsewhere).map(({ id }) => id));
  const requests = new Map(signingRequests.map((request) => [request.id, request]));
  return credentials
    .filter(
      ({ id, hostId, desired }) =>
        wanted.has(id) &&
        desired.collects !== undefined &&
        // Its key was imported meanwhile: then there is nothing to collect.
        elsewhere.has(desired.collects) &&
        !gate.isWaived(hostId),
    )
    .flatMap(({ id, hostId, desired }) => {
      const request = requests.get(id);
      if (request === undefined || request.authorityId !== desired.collects)
        return [blocker("not-requested", id, `${hostId} has not made its request for ${id} yet`)];
      return request.signedSerial !== null
        ? []
        : [
            blocker(
              "awaiting-signature",
              id,
              `the certificate of ${id} is signed elsewhere and was not brought yet`,
            ),
          ];
    });
}

function notPresented(concerns: (credential: Credential) => boolean, gate: Gate): Finding[] {
  const { snapshot } = gate.evidence;
  const active = new Set(
    snapshot.topology.hosts.filter((host) => host.status === "active").map((host) => host.id),
  );
  return snapshot.credentials
    .filter(
      (credential) =>
        active.has(credential.hostId) && !gate.isWaived(credential.hostId) && concerns(credential),
    )
    .flatMap((credential) => presentationBlocker(credential, gate));
}

function presentationBlocker(credential: Credential, gate: Gate): Finding[] {
  const seen = gate.evidence.credentialOf.get(credential.id);
  const why = seen === undefined || seen.lastError === null ? "" : ` (${seen.lastError})`;
  if (seen === undefined || seen.installed === null || !fits(seen.installed, credential.desired)) {
    return [
      blocker(
        "not-installed",
        credential.id,
        `${credential.id} on ${credential.hostId} has not installed the wanted certificate yet${why}`,
      ),
    ];
  }
  if (!runs(credential.process, gate)) return [];
  if (seen.seenOnWire?.serial === seen.installed.serial) return [];
  return [
    blocker(
      "not-presented",
      credential.id,
      `${credential.id} on ${credential.hostId} has not been seen presenting its new certificate${why}`,
    ),
  ];
}

function oldConnections(gate: Gate): Finding[] {
  const { processes, processOf, partyOf, snapshot } = gate.evidence;
  const isOld = (epoch: number | null | undefined): boolean =>
    epoch !== null && epoch !== undefined && epoch < gate.epoch;
  const parties = [
    ...processes.map((p) => ({
      id: p.id as string,
      waivedBy: p.hostId as string,
      epoch: processOf.get(p.id)?.oldestConnectionEpoch,
    })),
    ...snapshot.topology.relyingParties.map((p) => ({
      id: p.id as string,
      waivedBy: p.id as string,
      epoch: partyOf.get(p.id)?.oldestConnectionEpoch,
    })),
  ];
  return parties
    .filter((party) => !gate.isWaived(party.waivedBy) && isOld(party.epoch))
    .map((party) =>
      blocker(
        "old-connection",
        party.id,
        `${party.id} still has a connection from before trust epoch ${gate.epoch}`,
      ),
    );
}
