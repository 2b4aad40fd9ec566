import type { ServedPort } from "../description.ts";
import type { MemberAt } from "../driver-code.ts";
import type { AdminPort } from "./admin-port.ts";
import { properties, withDefaults, type ObjectName } from "./properties.ts";
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
