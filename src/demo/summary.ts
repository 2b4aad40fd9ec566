import type { DemoDomain } from "./build-domain.ts";
import type { DemoOptions } from "./options.ts";
import type { PhaseTime } from "./roll-out.ts";

/** What the demonstration measured; probes and negative tests are not counted. */
export interface Summary {
  readonly requests: number;
  readonly failedRequests: number;
  readonly handshakes: number;
  readonly failedHandshakes: number;
  readonly lastFailure: string | null;
  readonly leafCertificatesReplaced: number;
  readonly caRotated: boolean;
  /** Of the traffic CA: what callers of the gateways see. Hex SHA-256. */
  readonly oldCaFingerprint: string;
  readonly newCaFingerprint: string;
  readonly oldManagementCaFingerprint: string;
  readonly newManagementCaFingerprint: string;
  readonly gatewayUrls: readonly string[];
  readonly phases: readonly PhaseTime[];
}

export function printSummary(summary: Summary, options: DemoOptions, domain: DemoDomain): void {
  if (options.json) process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
  else process.stdout.write(`\n${table(summary)}\n`);
  if (!options.once)
    (options.json ? process.stderr : process.stdout).write(howToLookAround(options, domain));
}

function table(summary: Summary): string {
  const rows: [string, string][] = [
    ["requests", `${summary.requests}, ${summary.failedRequests} failed`],
    ["TLS handshakes", `${summary.handshakes}, ${summary.failedHandshakes} failed`],
    ["leaf certificates replaced", String(summary.leafCertificatesReplaced)],
    [
      "traffic CA",
      `${summary.oldCaFingerprint.slice(0, 16)} -> ${summary.newCaFingerprint.slice(0, 16)}`,
    ],
    [
      "management CA",
      `${summary.oldManagementCaFingerprint.slice(0, 16)} -> ${summary.newManagementCaFingerprint.slice(0, 16)}`,
    ],
    ...summary.phases.map(({ rollout, phase, seconds }): [string, string] => [
      `${rollout}: ${phase}`,
      `${seconds.toFixed(2)} s`,
    ]),
  ];
  if (summary.lastFailure !== null) rows.push(["last failure", summary.lastFailure]);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join("\n");
}

function howToLookAround(options: DemoOptions, { homes, gateways, admin }: DemoDomain): string {
  const [home = ""] = homes;
  const [gateway] = gateways;
  return `
The domain stays up; Ctrl-C ends it. From another shell, in this folder:

  bin/managedomain --home ${home} --print_topology
  bin/gatehouse --home ${home} rollout list
  bin/gatehouse --home ${home} credentials
  curl -sk https://${admin.address}:${admin.port}/metrics | grep gatehouse
  openssl s_client -connect ${gateway?.address}:${gateway?.port} -servername ${gateway?.dnsName} -showcerts </dev/null

User ${admin.user}; the password is in ${admin.passwordFile}. Home folders: ${options.home}/host-*.
`;
}
