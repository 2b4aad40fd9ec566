import { DomainError, errorCodes } from "../../kit/index.ts";
import type { RouteResponse, TopologyView } from "../../contract/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { count, table, timeText } from "../render/table.ts";

type Credentials = RouteResponse<"listCredentials">["credentials"];
type Findings = RouteResponse<"listFindings">["findings"];

/** `gatehouse credentials`. */
export function listCredentials(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { credentials } = await admin.call("listCredentials");
    printResult(context, credentials, credentialTable);
  });
}

function credentialTable(credentials: Credentials): string {
  return table(
    ["CREDENTIAL", "HOST", "AUTHORITY", "SERIAL", "UNTIL", "ON WIRE", "PROBLEM"],
    credentials.map((c) => [
      c.id,
      c.hostId,
      c.authorityId,
      c.installedSerial ?? "-",
      timeText(c.notAfterMs),
      c.onWire ? "yes" : "no",
      c.lastError ?? "",
    ]),
  );
}

/** `gatehouse authorities`. */
export function listAuthorities(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { authorities } = await admin.call("listAuthorities");
    printResult(context, authorities, (all) =>
      table(
        [
          "AUTHORITY",
          "STATUS",
          "UNTIL",
          "KEY ON",
          "KEY IN",
          "SIGNS NOW",
          "SUBJECT",
          "SHA-256 FINGERPRINT",
        ],
        all.map((a) => [
          a.id,
          a.status,
          timeText(a.notAfterMs),
          a.holders.join(" "),
          a.token === undefined ? "files" : `token ${a.token.token}: ${a.token.label}`,
          a.signers.join(" ") || "-",
          a.subject,
          a.fingerprint,
        ]),
      ),
    );
  });
}

/** A part of the logs: what follows after a cursor. */
export interface Page {
  readonly after: string;
  readonly limit: number;
}

/** `gatehouse issuances`. */
export function listIssuances(context: CommandContext, query: Page): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { issuances } = await admin.call("listIssuances", { query });
    printResult(context, issuances, (all) =>
      table(
        ["POSITION", "ISSUED", "KIND", "AUTHORITY", "SERIAL", "UNTIL", "SUBJECT"],
        all.map((i) => [
          `${i.writer}:${i.position}`,
          timeText(i.issuedAtMs),
          i.kind,
          i.authorityId,
          i.serial,
          timeText(i.notAfterMs),
          i.subject,
        ]),
      ),
    );
  });
}

/** `gatehouse audit list`. */
export function listAudit(context: CommandContext, query: Page): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { records } = await admin.call("listAudit", { query });
    printResult(context, records, (all) =>
      table(
        ["POSITION", "TIME", "ACTOR", "ACTION", "SUBJECT", "DETAIL"],
        all.map((r) => [
          `${r.writer}:${r.position}`,
          timeText(r.atMs),
          r.actor,
          r.action,
          r.subject,
          JSON.stringify(r.detail),
        ]),
      ),
    );
  });
}

/** `gatehouse audit verify`. Throws `audit-broken`. */
export function verifyAudit(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const verdict = await admin.call("verifyAudit");
    if (!verdict.ok)
      throw new DomainError("audit-broken", `the audit chain does not verify: ${verdict.text}`);
    printResult(
      context,
      verdict,
      ({ text, links, records, issuances }) =>
        `${text}: ${count(links, "link")}, ${count(records, "audit record")}, ${count(issuances, "issuance")}.`,
    );
  });
}

/** `gatehouse horizon`. */
export function showHorizon(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const horizon = await admin.call("getHorizon");
    printResult(context, horizon, ({ atMs, minimumMs, processes, authorities, signers }) => {
      const rows = (ends: typeof processes, nameOf: (end: (typeof ends)[number]) => string) =>
        ends.map((end) => [nameOf(end), daysText(end.atMs), timeText(end.atMs), end.credential]);
      return [
        `If nothing were issued from now on, the first authentication would fail at ${timeText(atMs)}, in ${daysText(atMs)} (the policy asks for ${(minimumMs / dayMs).toFixed(1)} days).`,
        "",
        table(
          ["PROCESS", "LASTS", "UNTIL", "FIRST"],
          rows(processes, ({ process }) => process),
        ),
        "",
        table(
          ["AUTHORITY", "LASTS", "UNTIL", "FIRST"],
          rows(authorities, (end) => end.authorityId),
        ),
        "",
        ...signers.map(signerText),
      ].join("\n");
    });
  });
}

function signerText({
  authorityId,
  hosts,
  token,
}: RouteResponse<"getHorizon">["signers"][number]): string {
  const key =
    token === undefined
      ? authorityId
      : `${authorityId}, whose key is ${token.label} in the token ${token.token}`;
  return hosts.length === 0
    ? `Nobody can sign with ${key} at this moment: \`gatehouse findings\` says why.`
    : `At this moment ${hosts.join(" and ")} can sign with ${key}.`;
}

const dayMs = 86_400_000;

function daysText(atMs: number | null): string {
  return atMs === null ? "-" : `${((atMs - Date.now()) / dayMs).toFixed(1)} days`;
}

/** `gatehouse findings`. */
export function listFindings(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { findings } = await admin.call("listFindings");
    printResult(context, findings, findingTable);
  });
}

function findingTable(findings: Findings): string {
  if (findings.length === 0) return "Everything is as it should be.";
  return table(
    ["SEVERITY", "CODE", "SUBJECT", "TEXT"],
    findings.map((f) => [f.severity, f.code, f.subject, f.text]),
  );
}

/** `gatehouse host list`. */
export function listHosts(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { hosts } = await admin.call("getTopology");
    printResult(context, hosts, hostTable);
  });
}

function hostTable(hosts: TopologyView["hosts"]): string {
  return table(
    ["HOST", "NAME", "ADDRESS", "NODE MANAGER", "STATUS", "DIAL", "CONNECTED"],
    hosts.map(({ id, name, address, nodeManager, status, dial, connected }) => [
      id,
      name,
      address,
      `${nodeManager.id}${nodeManager.isAdmin ? " (admin)" : ""}`,
      status,
      dial,
      connected ? "yes" : "no",
    ]),
  );
}

/** `gatehouse relying-party list`. */
export function listRelyingParties(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { relyingParties } = await admin.call("getTopology");
    printResult(context, relyingParties, (all) =>
      table(
        ["RELYING PARTY", "NAME", "TRUST EPOCH"],
        all.map(({ id, name, loadedEpoch }) => [id, name, String(loadedEpoch ?? "unknown")]),
      ),
    );
  });
}

/** `gatehouse status`: the domain at a glance. */
export function showStatus(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const topology = await admin.call("getTopology");
    const { findings } = await admin.call("listFindings");
    const { rollouts } = await admin.call("listRollouts");
    const { signers } = await admin.call("getHorizon");
    const open = rollouts.filter(
      ({ rollout: { status } }) => status !== "completed" && status !== "rolled-back",
    );
    printResult(context, { topology, findings, rollouts: open, signers }, () =>
      statusText(topology, findings, open, signers),
    );
  });
}

function statusText(
  topology: TopologyView,
  findings: Findings,
  open: RouteResponse<"listRollouts">["rollouts"],
  signers: RouteResponse<"getHorizon">["signers"],
): string {
  const instances = topology.groups.flatMap((group) =>
    group.instances.map((instance) => ({ ...instance, group: group.name })),
  );
  return [
    `Domain ${topology.name} (${topology.id}), version ${topology.version}, trust epoch ${topology.trustEpoch}, Gatehouse ${topology.productVersion}`,
    "",
    hostTable(topology.hosts),
    "",
    instances.length === 0 ? "No instances." : instanceTable(instances),
    ...topology.relyingParties.map(
      ({ id, name, loadedEpoch }) =>
        `Relying party ${name} [${id}]: trust epoch ${loadedEpoch ?? "unknown"}`,
    ),
    ...open.map(
      ({ rollout, phase }) =>
        `\nRollout ${rollout.id} is ${rollout.status} in phase ${phase ?? "-"}: ${rollout.title}`,
    ),
    "",
    ...signers.map(signerText),
    "",
    findingTable(findings),
  ].join("\n");
}

function instanceTable(
  instances: readonly (TopologyView["groups"][number]["instances"][number] & { group: string })[],
): string {
  return table(
    ["INSTANCE", "NAME", "GROUP", "HOST", "WANTED", "STATE", "SERVICES PORT"],
    instances.map((i) => [
      i.id,
      i.name,
      i.group,
      i.hostId,
      i.enabled ? "started" : "stopped",
      i.state,
      String(i.servicesPort),
    ]),
  );
}

/** `gatehouse errors`: needs nobody. */
export function listErrors(context: Pick<CommandContext, "terminal" | "json">): void {
  const rows = Object.entries(errorCodes).map(([code, { exit, meaning }]) => ({
    exit,
    code,
    meaning,
  }));
  printResult(context, rows, (all) =>
    table(
      ["EXIT", "CODE", "MEANING"],
      all.map((row) => [String(row.exit), row.code, row.meaning]),
    ),
  );
}
