import type { HostId } from "../kit/index.ts";
import type { LastKnown } from "../control/index.ts";
import {
  collectFindings,
  credentialId,
  holdersOf,
  isSignedElsewhere,
  maySign,
  revokedRemedy,
  type Finding,
  type Host,
} from "../domain/index.ts";
import {
  arrangeEvidence,
  horizonOf,
  nextMove,
  type Evidence,
  type Rollout,
} from "../planning/index.ts";
import { shownSnapshot, type Reading } from "./cut-off.ts";
import type { AdminReports } from "./admin-reports.ts";
import { isHeardOf } from "./heard-of.ts";
import { journalFindings } from "./journal-findings.ts";
import { passphraseFindings } from "./passphrase-findings.ts";
import { keyCopyFindings, lostKeyFindings, restorationFindings } from "./recovery-findings.ts";
import type { Presence } from "./presence.ts";
import { serviceFindings } from "./service-findings.ts";
import type { StrayTrust } from "./stray-trust.ts";

const expiryWarningMs = 5 * 86_400_000;
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

interface Situation {
  readonly evidence: Evidence;
  readonly presence: Presence;
  readonly strays: StrayTrust;
  readonly open: readonly Rollout[];
  readonly reports: AdminReports;
  readonly audit: readonly Finding[];
  readonly horizonMinMs: number;
  readonly hostId: HostId;
  readonly cutOff: LastKnown | null;
}

/** What is not as it should be in the domain at this moment. */
export async function currentFindings(state: Reading): Promise<Finding[]> {
  return state.env.store.read(async (view) => {
    const evidence = arrangeEvidence(await shownSnapshot(state, view));
    const open = await view.rollouts.open();
    const { presence, strays, reports, auditFindings: audit, hostId, cutOff } = state;
    const horizonMinMs = state.env.policy.horizonMinSeconds * 1000;
    return collectFindings(
      { evidence, presence, strays, open, reports, audit, horizonMinMs, hostId, cutOff },
      checks,
    );
  });
}

const checks: readonly ((situation: Situation) => Finding | readonly Finding[] | undefined)[] = [
  oneAdminFinding,
  silentAdminFindings,
  cutOffFinding,
  keyHolderFindings,
  keyCopyFindings,
  lostKeyFindings,
  restorationFindings,
  signerFindings,
  ({ evidence }) =>
    evidence.snapshot.signingRequests
      .filter(({ signedSerial }) => signedSerial === null)
      .map(({ id, createdAtMs }) => ({
        code: "awaiting-signature",
        severity: "warning",
        subject: id,
        text: `the certificate of ${id} waits to be signed elsewhere since ${new Date(createdAtMs).toISOString()}: \`gatehouse signing export FOLDER\` writes its request, \`gatehouse signing submit\` brings the certificate`,
      })),
  ({ evidence }) =>
    evidence.snapshot.authorities
      .filter(({ status }) => status === "restored")
      .map(({ id }) => ({
        code: "authority-restored",
        severity: "warning",
        subject: id,
        text: `${id} was retired and is trusted again: give those who rely on it the new CA, then \`gatehouse authority retire ${id}\``,
      })),
  hostFindings,
  journalFindings,
  ({ presence }) =>
    [...presence.rivals()].map(([hostId, count]) => ({
      code: "identity-in-use",
      severity: "error",
      subject: hostId,
      text: `the identity of ${hostId} was claimed a second time (${count} tries): its home folder may have been copied`,
    })),
  instanceFindings,
  serviceFindings,
  credentialFindings,
  passphraseFindings,
  horizonFinding,
  rolloutFindings,
  ({ strays }) => strays.findings(),
  ({ reports }) => reports.findings(),
  ({ audit }) => audit,
];

/** The others may be as they always are: what this one shows is old. */
function cutOffFinding({ cutOff, hostId }: Situation): Finding | undefined {
  if (cutOff === null) return undefined;
  return {
    code: "cut-off",
    severity: "error",
    subject: hostId,
    text: `the Admin Node Manager of ${hostId} cannot reach its database: it changes and issues nothing, and shows what it knew at ${new Date(cutOff.asOfMs).toISOString()}; \`gatehouse store check\` at another one says more`,
  };
}

/** The hosts that have an Admin Node Manager, whether it runs or not. */
function adminHosts({ evidence }: Situation): Host[] {
  return evidence.snapshot.topology.hosts.filter(
    ({ status, nodeManager }) => nodeManager.isAdmin && status === "active",
  );
}

/** What the others said, or did not, tells nothing of them while this one is cut off from the store. */
function knowsOthers({ reports, cutOff }: Situation): boolean {
  return reports.areKnown && cutOff === null;
}

/** One that has joined and does not serve takes nothing over. */
function oneAdminFinding(situation: Situation): Finding | undefined {
  const { reports, hostId } = situation;
  const admins = adminHosts(situation);
  const serving = knowsOthers(situation)
    ? admins.filter(({ id }) => id === hostId || reports.answers(id))
    : admins;
  if (serving.length > 1) return undefined;
  const has = admins.length > 1 ? "one Admin Node Manager that serves" : "one Admin Node Manager";
  return {
    code: "one-admin",
    severity: "warning",
    subject: "domain",
    text: `the domain has ${has}: while it is down nothing can be managed or issued, and if its disk is lost, so are the keys of the authorities`,
  };
}

/** Those that others count on, and that do not answer; their Node Managers may well be heard of. */
function silentAdminFindings(situation: Situation): Finding[] {
  if (!knowsOthers(situation)) return [];
  const silent = adminHosts(situation).filter(({ id }) => situation.reports.isSilent(id));
  return silent.map(({ id, name }) => ({
    code: "admin-silent",
    severity: "error",
    subject: id,
    text: `the Admin Node Manager of ${name} (${id}) does not answer: \`logs/admin.log\` in the home of that host says why (it does not run, cannot log in to the database, or cannot be reached from ${situation.hostId})`,
  }));
}

/** With several Admin Node Managers nothing but the keys makes one of them irreplaceable. */
function keyHolderFindings(situation: Situation): Finding[] {
  const { evidence, reports } = situation;
  const { authorities, topology } = evidence.snapshot;
  if (adminHosts(situation).length < 2) return [];
  return authorities.flatMap((authority): Finding[] => {
    const { id } = authority;
    const meant = holdersOf(authority, topology.hosts);
    const having = knowsOthers(situation)
      ? meant.filter((host) => reports.hasKey(host.id, id))
      : [];
    const [holder, another] = having.length > 0 ? having : meant;
    if (!maySign(authority.status, "probe") || holder === undefined || another !== undefined)
      return [];
    const who = `${holder.name} (${holder.id})`;
    const others = meant.filter((host) => host !== holder).map((host) => host.id);
    const [says, remedy] =
      others.length === 0
        ? ["holds the key of", "`gatehouse authority share HOST` gives it to another"]
        : [
            "is known to hold the key of",
            `${others.join(", ")} should, and is silent or has lost it`,
          ];
    const text = `only host ${who} ${says} ${id}: while its Admin Node Manager is down nobody can issue from it; ${remedy}`;
    return [{ code: "one-key-holder", severity: "warning", subject: id, text }];
  });
}

/** What nobody can sign with at this moment, as far as the Admin Node Managers say. */
function signerFindings({ evidence, reports }: Situation): Finding[] {
  if (!reports.areKnown) return [];
  return evidence.snapshot.authorities
    .filter(
      (authority) =>
        !isSignedElsewhere(authority) &&
        maySign(authority.status, "probe") &&
        reports.signersOf(authority.id).length === 0,
    )
    .map(({ id, status }) => ({
      code: "authority-cannot-sign",
      severity: "error",
      subject: id,
      text: `no Admin Node Manager that answers can sign with ${id}, which is ${status}: nothing is issued or renewed from it; \`gatehouse authorities\` names who holds its key`,
    }));
}

function hostFindings({ evidence, presence }: Situation): Finding[] {
  return evidence.snapshot.topology.hosts.flatMap((host): Finding[] => {
    const { id, name } = host;
    if (host.status === "quarantined") {
      const text = `host ${name} waits for approval: \`gatehouse host approve ${id}\``;
      return [{ code: "host-quarantined", severity: "warning", subject: id, text }];
    }
    if (host.status === "revoked") {
      const text = `host ${name} (${id}) was revoked, and every key on it is denied: ${revokedRemedy(host)}`;
      return [{ code: "host-revoked", severity: "warning", subject: id, text }];
    }
    if (isHeardOf({ presence }, evidence.snapshot, host, evidence.hostOf.get(id))) return [];
    const text = `host ${name} (${id}) is not connected`;
    return [{ code: "host-silent", severity: "error", subject: id, text }];
  });
}

/** Instances that should run and do not, of hosts of which there is fresh news. */
function instanceFindings({ evidence, presence }: Situation): Finding[] {
  const { snapshot, hostOf } = evidence;
  const heardOf = new Set(
    snapshot.topology.hosts
      .filter((host) => isHeardOf({ presence }, snapshot, host, hostOf.get(host.id)))
      .map(({ id }) => id),
  );
  return snapshot.topology.instances.flatMap(({ id, name, hostId, enabled }) => {
    const seen = evidence.processOf.get(id);
    if (!enabled || !heardOf.has(hostId) || seen === undefined) return [];
    const hasCertificates = (["management", "traffic"] as const).every(
      (usage) => (evidence.credentialOf.get(credentialId(id, usage))?.installed ?? null) !== null,
    );
    const isOnItsWay =
      seen.lastError === null &&
      (seen.state === "starting" || (seen.state === "stopped" && !hasCertificates));
    if (seen.state === "running" || isOnItsWay) return [];
    const why = seen.lastError ?? "its Node Manager has not said why";
    const text = `instance ${name} (${id}) on ${hostId} should run and does not (${seen.state}): ${why}`;
    return { code: "instance-failed", severity: "error", subject: id, text };
  });
}

/** Renewal keeps every certificate well above this: one below it was not renewed for long. */
function horizonFinding({ evidence, horizonMinMs }: Situation): Finding | undefined {
  const [first] = horizonOf(evidence).processes;
  const leftMs = (first?.atMs ?? Infinity) - evidence.snapshot.nowMs;
  if (first === undefined || leftMs >= horizonMinMs) return undefined;
  const days = (ms: number): string => (ms / dayMs).toFixed(1);
  return {
    code: "horizon-short",
    severity: "warning",
    subject: first.process,
    text: `${first.credential} ${leftMs < 0 ? "has expired" : `lasts ${days(leftMs)} days without the control plane`}, and the policy asks for ${days(horizonMinMs)}: \`gatehouse horizon\` shows all, \`gatehouse plan replace-leaves\` renews at once`,
  };
}

function credentialFindings({ evidence }: Situation): Finding[] {
  const { credentials, nowMs } = evidence.snapshot;
  return credentials.flatMap(({ id }): Finding[] => {
    const seen = evidence.credentialOf.get(id);
    if (seen === undefined) return [];
    const found: Finding[] = [];
    if (seen.lastError !== null) {
      const text = `${id} could not be renewed (${seen.failedRenewals} tries): ${seen.lastError}`;
      found.push({ code: "renewal-failing", severity: "error", subject: id, text });
    }
    const leftMs = (seen.installed?.notAfterMs ?? Infinity) - nowMs;
    if (leftMs < expiryWarningMs) {
      const text =
        leftMs < 0 ? `${id} has expired` : `${id} expires in ${Math.floor(leftMs / hourMs)} hours`;
      found.push({ code: "expires-soon", severity: "warning", subject: id, text });
    }
    return found;
  });
}

function rolloutFindings({ evidence, open }: Situation): Finding[] {
  return open.flatMap((rollout) => {
    const move = nextMove(rollout, evidence, null);
    if (move.do !== "wait") return [];
    return move.blockers.map((blocker): Finding => {
      const text = `${rollout.id} waits: ${blocker.text}`;
      return { ...blocker, severity: "warning", text };
    });
  });
}
