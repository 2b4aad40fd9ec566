import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Finding } from "../../domain/index.ts";
import { isDomainError } from "../../kit/index.ts";
import { bytesEqual, certificateText } from "../../pki/index.ts";
import type { MemberAt } from "../driver-code.ts";
import type { Examination, FoundCredential, Say } from "../examination.ts";
import { peerFindings, portFindings } from "../examine-ports.ts";
import { nearName } from "../near-name.ts";
import { probePort } from "../probe-port.ts";
import { stopReason } from "./admin-answers.ts";
import { adminPortOf, type AdminPort } from "./admin-port.ts";
import {
  isOpen,
  memberPorts,
  peerPorts,
  readConfiguration,
  type Configuration,
  type CredentialKind,
  type MemberPort,
} from "./member-ports.ts";
import { readReport, serverState, type ServerReport } from "./read-member.ts";
import { readServerCfg } from "./server-cfg.ts";

/** A server that answers, and what it says. */
interface Live {
  readonly member: MemberAt;
  readonly examination: Examination;
  readonly admin: AdminPort;
  readonly report: ServerReport;
  readonly configuration: Configuration;
  readonly ports: readonly MemberPort[];
}

/**
 * What Amlen's own status never says: credentials that it does not use, ports without TLS, peers that
 * do not trust each other, and why it has stopped.
 */
export async function examineAmlen(member: MemberAt, examination: Examination): Promise<Finding[]> {
  const { say } = examination;
  try {
    const admin = await adminPortOf(member);
    const report = await readReport(admin);
    const configuration = await readConfiguration(admin);
    const ports = memberPorts(member, configuration);
    const live = { member, examination, admin, report, configuration, ports };
    const all = await Promise.all(checks.map(async (check) => check(live)));
    return all.flat();
  } catch (error) {
    if (!isDomainError(error)) throw error;
    return [say("member-not-answering", "error", error.message)];
  }
}

type Check = (live: Live) => Finding[] | Promise<Finding[]>;

const checks: readonly Check[] = [
  stopped,
  adminPortIsOpen,
  wrongFolders,
  filesInUse,
  ownPorts,
  peers,
  pairCredentials,
  requireCertificates,
  inactiveMembers,
];

function stopped({ report: { server }, examination: { say } }: Live): Finding[] {
  return server.state === serverState.maintenance
    ? [
        say(
          "stopped-in-maintenance",
          "error",
          `it is in maintenance: ${stopReason(server.errorCode)}`,
        ),
      ]
    : [];
}

function adminPortIsOpen({ admin, member, examination: { say } }: Live): Finding[] {
  return admin.isAnonymous
    ? [
        say(
          "admin-port-open",
          "warning",
          `${member.values["adminUrl"]} lets anybody configure the server: set a password for ${member.values["adminUser"]} and UsePasswordAuthentication in Amlen, and write it into ${member.values["adminPasswordFile"]}`,
        ),
      ]
    : [];
}

const kindsOf = (ports: readonly MemberPort[]): CredentialKind[] => [
  ...new Set(ports.map(({ kind }) => kind)),
];

function credentialOf(
  { examination: { credentials } }: Live,
  kind: CredentialKind,
): FoundCredential | undefined {
  return credentials.find(({ certificatePath }) => basename(certificatePath).startsWith(kind));
}

/** Only where certificate and key can both be opened does Amlen use them, and it says nothing otherwise. */
async function filesInUse(live: Live): Promise<Finding[]> {
  const { ports, member, examination } = live;
  const { say } = examination;
  const all = await Promise.all(
    kindsOf(ports).map(async (kind) => {
      const speaks = ports.filter((port) => port.kind === kind && port.speaksTls);
      if (speaks.length === 0) return [withoutTls(kind, say)];
      const found = credentialOf(live, kind);
      const missing = [
        (found?.leaf ?? null) === null ? `${kind}_cert.pem` : null,
        (found?.key ?? null) === null ? `${kind}_key.pem` : null,
      ].filter((name) => name !== null);
      if (missing.length > 0) return [await builtInInUse(member, missing, say)];
      return [...(await noTrustedCa(member, kind, found, say)), ...rsa(found, say)];
    }),
  );
  return all.flat();
}

function withoutTls(kind: CredentialKind, say: Say): Finding {
  const [setting, what] =
    kind === "HA"
      ? ["HighAvailability.UseSecuredConnections", "the pair speaks, and copies its private keys,"]
      : ["ClusterMembership.MessagingUseTLS", "the members of the cluster speak"];
  return say(
    "members-without-tls",
    "warning",
    `${what} without TLS: set ${setting} to true, and restart`,
  );
}

async function builtInInUse(
  { values }: MemberAt,
  missing: readonly string[],
  say: Say,
): Promise<Finding> {
  const folder = values["keystore"] ?? "";
  const names = await readdir(folder).catch((): string[] => []);
  const near = missing.flatMap((name) => {
    const found = nearName(name, names);
    return found === null ? [] : [`${found} has to be named ${name}`];
  });
  const why = near.length === 0 ? `place ${missing.join(" and ")} there` : near.join(", ");
  return say(
    "well-known-credentials",
    "error",
    `Amlen's built-in credentials are in use, whose key is public: ${missing.map((name) => join(folder, name)).join(" and ")} cannot be used; ${why}, and restart`,
  );
}

/** Which of its files a server reads, by what is switched on; all, while it does not answer. */
export async function usedFiles(member: MemberAt): Promise<(path: string) => boolean> {
  try {
    const configuration = await readConfiguration(await adminPortOf(member));
    const ports = memberPorts(member, configuration).filter(({ speaksTls }) => speaksTls);
    const kinds = kindsOf(ports);
    return (path) => kinds.some((kind) => basename(path).startsWith(kind));
  } catch (error) {
    if (!isDomainError(error)) throw error;
    return () => true;
  }
}

/** With credentials of its own and no CA, Amlen trusts nobody, not even the same certificate. */
async function noTrustedCa(
  { values }: MemberAt,
  kind: CredentialKind,
  found: FoundCredential | undefined,
  say: Say,
): Promise<Finding[]> {
  if ((found?.anchors.length ?? 0) > 0) return [];
  const truststore = values["truststore"] ?? "";
  const hashed = await readdir(join(truststore, `${kind}_capath`)).catch((): string[] => []);
  if (hashed.some((name) => /^[0-9a-f]{8}\.\d+$/.test(name))) return [];
  return [
    say(
      "no-trusted-ca",
      "error",
      `${join(truststore, `${kind}_cafile.pem`)} holds no CA, so the server trusts nobody: place the CA there, or a self-signed certificate itself, and restart`,
    ),
  ];
}

function rsa(found: FoundCredential | undefined, say: Say): Finding[] {
  return found?.leaf?.publicKey.kind === "rsa"
    ? [
        say(
          "rsa-needs-tls13",
          "info",
          `${found.certificatePath} has an RSA key, with which Amlen speaks TLS 1.3 only: use ECDSA P-256 if a member has OpenSSL 1.0`,
        ),
      ]
    : [];
}

async function ownPorts(live: Live): Promise<Finding[]> {
  const { ports, report, examination } = live;
  const { context, say } = examination;
  const open = ports.filter((port) => port.speaksTls && isOpen(port, report));
  const all = await Promise.all(
    open.map(async ({ kind, what, port }) =>
      portFindings(
        `${port.host}:${port.port} (${what})`,
        await probePort(port),
        credentialOf(live, kind),
        context,
        say,
      ),
    ),
  );
  return all.flat();
}

/** Only what is not connected is called: a pair that is together takes no further connection. */
async function peers(live: Live): Promise<Finding[]> {
  const { member, report, configuration, examination } = live;
  const { context, say } = examination;
  const isPaired = (report.highAvailability?.ActiveNodes ?? 0) > 1;
  const isComplete =
    report.cluster?.DisconnectedServers === 0 && report.cluster.ConnectedServers > 0;
  const called = peerPorts(member, configuration).filter(({ kind }) =>
    kind === "HA" ? !isPaired : !isComplete && report.server.state === serverState.production,
  );
  const all = await Promise.all(
    called.map(({ kind, what, port }) => {
      const found = credentialOf(live, kind);
      const anchors = found?.anchors ?? [];
      return peerFindings(`the other member at ${port.host}:${port.port} (${what})`, port, {
        found,
        anchors,
        nowMs: context.nowMs,
        say,
        takenBy: "stay",
      });
    }),
  );
  return all.flat();
}

/** When members pair that have a credential each, the standby's is replaced by the primary's. */
async function pairCredentials(live: Live): Promise<Finding[]> {
  const { member, report, configuration, examination } = live;
  const { leaf = null, certificatePath = "" } = credentialOf(live, "HA") ?? {};
  const isPaired = (report.highAvailability?.ActiveNodes ?? 0) > 1;
  const other = peerPorts(member, configuration).find(({ kind }) => kind === "HA");
  if (isPaired || other === undefined || leaf === null) return [];
  const answer = await probePort(other.port);
  return answer.kind !== "tls" || bytesEqual(answer.leaf.der, leaf.der)
    ? []
    : [
        examination.say(
          "pair-credentials-differ",
          "warning",
          `the other member shows ${certificateText(answer.leaf)}, not the certificate in ${certificatePath}: pairing replaces the standby's files by the primary's, so give both one credential`,
        ),
      ];
}

/** When the setting is on, ignored, or without effect. */
function requireCertificates(live: Live): Finding[] {
  const { configuration, ports, examination } = live;
  const { say } = examination;
  return kindsOf(ports).flatMap((kind) => {
    const object = kind === "HA" ? "HighAvailability" : "ClusterMembership";
    if (configuration[object]["RequireCertificates"] !== false) return [];
    const found = credentialOf(live, kind);
    const hasOwn = found !== undefined && found.leaf !== null && found.key !== null;
    const setting = `${object}.RequireCertificates`;
    const text = hasOwn
      ? `${setting} is false, and ignored: with credentials of its own the server requires certificates always; set it to true`
      : kind === "HA"
        ? `${setting} is false, and counts: whoever shows no certificate at all is taken as the other member; set it to true`
        : `${setting} is false: it counts on the messaging port, and has no effect on the control port, which requires certificates always; set it to true`;
    return [say("require-certificates", hasOwn ? "info" : "warning", text)];
  });
}

async function inactiveMembers({ admin, report, examination: { say } }: Live): Promise<Finding[]> {
  if ((report.cluster?.DisconnectedServers ?? 0) === 0) return [];
  const answer = await admin.get("monitor/Cluster");
  const members = Array.isArray(answer["Cluster"]) ? (answer["Cluster"] as unknown[]) : [];
  return members.flatMap((each) => {
    const { ServerName, ServerUID, Status } = each as Readonly<Record<string, unknown>>;
    return Status === "Active"
      ? []
      : [
          say(
            "cluster-member-inactive",
            "warning",
            `it is not connected with ${String(ServerName)} (${String(ServerUID)}): start that server, give both credentials of one CA, or, if it is gone for good, remove it (POST service/remove/inactiveClusterMember with this name and UID; messages for it are deleted)`,
          ),
        ];
  });
}

/** Folders that somebody gave, and the server does not read, as its server.cfg says. */
function wrongFolders({ member: { values }, examination: { say } }: Live): Finding[] {
  const read = readServerCfg(values["serverCfg"]);
  return (["keystore", "truststore"] as const)
    .filter((name) => read[name] !== undefined && read[name] !== values[name])
    .map((name) =>
      say(
        "wrong-folder",
        "error",
        `the server reads its ${name} in ${read[name]}, as ${values["serverCfg"]} says, and not in ${values[name]}: leave ${name} out of the member's variables`,
      ),
    );
}
