import { isSignedElsewhere, maySign, trustSigningKeyName, type Finding } from "../domain/index.ts";
import type { Evidence } from "../planning/index.ts";
import { pendingRestoration } from "../control/index.ts";

import type { AdminReports } from "./admin-reports.ts";
import { lostKeyRemedy, lostKeys } from "./lost-keys.ts";

interface Situation {
  readonly evidence: Pick<Evidence, "snapshot">;
  readonly reports: AdminReports;
}

/** Keys that would be lost with the Admin Node Managers. */
export function keyCopyFindings({ evidence }: Situation): Finding[] {
  const { authorities, topology } = evidence.snapshot;
  const { keyCopies = {} } = topology.domain;
  const present = [
    ...authorities
      .filter((authority) => maySign(authority.status, "probe") && !isSignedElsewhere(authority))
      .map(({ id }) => id as string),
    trustSigningKeyName,
  ];
  const missing = present.filter((key) => keyCopies[key] === undefined);
  if (missing.length === 0) return [];
  const inToken = authorities.filter(
    ({ id, token }) => token !== undefined && missing.includes(id as string),
  );
  const ofTokens =
    inToken.length === 0
      ? ""
      : `; no backup holds ${inToken.map(({ id }) => id).join(", ")}, which never ${inToken.length === 1 ? "leaves its token" : "leave their token"}: make a copy of that with its own tool, and record it`;
  return [
    {
      code: "keys-not-backed-up",
      severity: "warning",
      subject: "domain",
      text: `there is no known copy of ${missing.join(", ")}: if the hosts that hold them are lost, so is the domain; \`gatehouse backup FILE\` makes one, \`gatehouse authority backed-up\` records one that there is${ofTokens}`,
    },
  ];
}

/** Keys of current CAs that nobody has any more. */
export function lostKeyFindings({ evidence, reports }: Situation): Finding[] {
  const { authorities, topology } = evidence.snapshot;
  return lostKeys(authorities, topology.hosts, reports).map((authority) => ({
    code: "authority-key-lost",
    severity: "error",
    subject: authority.id,
    text: `no Admin Node Manager has the key of ${authority.id} any more: no host can join and no instance be made; ${lostKeyRemedy(authority)}`,
  }));
}

/** What a restored domain waits for, and what it has taken over from hosts. */
export function restorationFindings({ evidence }: Situation): Finding[] {
  const { domain, hosts } = evidence.snapshot.topology;
  const { restoration } = domain;
  if (restoration === undefined) return [];
  const from = `a backup of ${new Date(restoration.backupAtMs).toISOString()}`;
  const pending = pendingRestoration(domain);
  const waiting = hosts.filter(
    ({ id, status }) =>
      pending !== undefined &&
      status === "active" &&
      ![pending.hostId, ...pending.heard, ...pending.waived].includes(id),
  );
  return [
    ...waiting.map(({ id, name }): Finding => ({
      code: "restored-host-unheard",
      severity: "error",
      subject: id,
      text: `this domain was restored from ${from}, and host ${name} (${id}) may hold newer trust: no trust is published before it was heard of; start its Node Manager, or \`gatehouse host waive ${id}\``,
    })),
    {
      code: "restored",
      severity: "warning",
      subject: "domain",
      text: `this domain was restored from ${from}${imported(restoration.imported)}: look through it, then make a new backup, which ends this finding`,
    },
  ];
}

const shownMax = 20;

function imported(what: readonly string[]): string {
  if (what.length === 0) return "";
  const more = what.length > shownMax ? `, and ${what.length - shownMax} more` : "";
  return `, and has taken over what it did not know: ${what.slice(0, shownMax).join(", ")}${more}`;
}
