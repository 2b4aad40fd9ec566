import type { ServedPort } from "../description.ts";
import type { MemberAt } from "../driver-code.ts";
import type { AdminPort } from "./admin-port.ts";
import { properties, withDefaults, type ObjectName } from "./properties.ts";
import { serverState, type ServerReport } from "./read-member.ts";
import { readServerCfg } from "./server-cfg.ts";

/** Which credentials a port of a member shows: files of that beginning. */
export type CredentialKind = "HA" | "Cluster";

export interface MemberPort {
  readonly kind: CredentialKind;
  readonly what: "discovery" | "control" | "messaging";
  readonly port: ServedPort;
  /** As it is configured. */
  readonly speaksTls: boolean;
}

export type Configuration = Readonly<Record<ObjectName, Readonly<Record<string, unknown>>>>;

/** Both configuration objects of a server over their defaults. */
export async function readConfiguration(admin: AdminPort): Promise<Configuration> {
  const object = async (name: ObjectName): Promise<Record<string, unknown>> => {
    const answer = await admin.get(`configuration/${name}`);
    const known = (answer[name] ?? {}) as Readonly<Record<string, unknown>>;
    const ours = Object.entries(known).filter(([key]) => Object.hasOwn(properties[name], key));
    return withDefaults(name, Object.fromEntries(ours));
  };
  return {
    HighAvailability: await object("HighAvailability"),
    ClusterMembership: await object("ClusterMembership"),
  };
}

/** The ports on which other members reach one that is configured so. */
export function memberPorts(
  { values }: Pick<MemberAt, "values">,
  { HighAvailability: pair, ClusterMembership: cluster }: Configuration,
): MemberPort[] {
  const { discoveryPort, controlTlsPolicy } = readServerCfg(values["serverCfg"]);
  const at = (host: unknown, port: unknown): ServedPort => ({
    host: String(host),
    port: Number(port),
  });
  const { ControlAddress, ControlPort, MessagingAddress, MessagingPort } = cluster;
  const messagingTls = cluster["MessagingUseTLS"] === true;
  return [
    ...(pair["EnableHA"] === true
      ? [
          {
            kind: "HA",
            what: "discovery",
            port: at(pair["LocalDiscoveryNIC"], discoveryPort),
            speaksTls: pair["UseSecuredConnections"] === true,
          } as const,
        ]
      : []),
    ...(cluster["EnableClusterMembership"] === true
      ? [
          {
            kind: "Cluster",
            what: "control",
            port: at(ControlAddress, ControlPort),
            speaksTls: controlTlsPolicy === 3 ? messagingTls : controlTlsPolicy !== 2,
          } as const,
          {
            kind: "Cluster",
            what: "messaging",
            port: at(MessagingAddress ?? ControlAddress, MessagingPort),
            speaksTls: messagingTls,
          } as const,
        ]
      : []),
  ];
}

/** Whether a port is to be open in the member's role. */
export function isOpen({ what }: MemberPort, { highAvailability, server }: ServerReport): boolean {
  if (server.state === serverState.maintenance) return false;
  const isPaired = (highAvailability?.ActiveNodes ?? 0) > 1;
  return what === "discovery" ? !isPaired : server.state === serverState.production;
}

/** Where the configuration of a member has it look for others: its pair's other member, and its cluster's. */
export function peerPorts(
  { values }: Pick<MemberAt, "values">,
  { HighAvailability: pair, ClusterMembership: cluster }: Configuration,
): MemberPort[] {
  const { discoveryPort } = readServerCfg(values["serverCfg"]);
  const found: MemberPort[] = [];
  if (pair["EnableHA"] === true && pair["UseSecuredConnections"] === true)
    found.push({
      kind: "HA",
      what: "discovery",
      port: {
        host: String(pair["RemoteDiscoveryNIC"]),
        port: Number(pair["RemoteDiscoveryPort"]) || discoveryPort,
      },
      speaksTls: true,
    });
  const own = `${String(cluster["ControlAddress"])}:${Number(cluster["ControlPort"])}`;
  const listed =
    cluster["EnableClusterMembership"] === true ? String(cluster["DiscoveryServerList"] ?? "") : "";
  for (const entry of listed.split(",").map((each) => each.trim())) {
    const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d+)$/.exec(entry) ?? [];
    const host = v6 ?? v4;
    if (host === undefined || entry === own) continue;
    found.push({
      kind: "Cluster",
      what: "control",
      port: { host, port: Number(port) },
      speaksTls: true,
    });
  }
  return found;
}
