import type { PropertyRule } from "./property-rules.ts";

/** The configuration objects that are simulated; each has one fixed instance. */
export type ObjectName = "HighAvailability" | "ClusterMembership";

/** What was set of each object, over the defaults. */
export type Configuration = Readonly<Record<ObjectName, Readonly<Record<string, unknown>>>>;

const text = (max: number): PropertyRule => ({ type: "string", max });
const yesNo: PropertyRule = { type: "boolean" };
const whole = (min: number, max: number): PropertyRule => ({ type: "number", min, max });
const seconds = (min: number): PropertyRule => whole(min, 2_147_483_647);
const highPort: PropertyRule = { type: "number", min: 1024, max: 65_535, orZero: true };
const port = whole(1, 65_535);
/** One host name or address: no list. */
const oneAddress: PropertyRule = { type: "string", max: 1024, pattern: /^[^,]*$/ };
const ipAddress: PropertyRule = { type: "ip", nullable: true };
const nullable = (rule: PropertyRule): PropertyRule => ({ ...rule, nullable: true });

/** Facts sections 1 and 3. */
export const propertyRules: Readonly<Record<ObjectName, Readonly<Record<string, PropertyRule>>>> = {
  HighAvailability: {
    Group: text(128),
    EnableHA: yesNo,
    StartupMode: { type: "enum", values: ["AutoDetect", "StandAlone"] },
    RemoteDiscoveryNIC: oneAddress,
    LocalReplicationNIC: oneAddress,
    LocalDiscoveryNIC: oneAddress,
    DiscoveryTimeout: seconds(10),
    HeartbeatTimeout: seconds(1),
    PreferredPrimary: yesNo,
    RemoteDiscoveryPort: highPort,
    ReplicationPort: highPort,
    ExternalReplicationPort: highPort,
    ExternalReplicationNIC: oneAddress,
    UseSecuredConnections: yesNo,
    RequireCertificates: yesNo,
  },
  ClusterMembership: {
    EnableClusterMembership: yesNo,
    ClusterName: {
      type: "string",
      max: 256,
      // No control characters, comma, quote, backslash, slash, equals sign, and no blank at either end.
      pattern: /^(?! )[^\p{Cc},"\\/=]*(?<! )$/u,
    },
    UseMulticastDiscovery: yesNo,
    MulticastDiscoveryTTL: whole(1, 256),
    DiscoveryServerList: nullable(text(65_535)),
    ControlAddress: ipAddress,
    ControlPort: port,
    ControlExternalAddress: { type: "string", max: 1024, nullable: true, pattern: /^[^[]*$/ },
    ControlExternalPort: nullable(port),
    MessagingAddress: ipAddress,
    MessagingPort: port,
    MessagingExternalAddress: nullable(text(1024)),
    MessagingExternalPort: nullable(port),
    MessagingUseTLS: yesNo,
    DiscoveryPort: port,
    DiscoveryTime: seconds(1),
    RequireCertificates: yesNo,
  },
};

/** The running configuration for high availability. */
export interface HighAvailabilityConfiguration {
  readonly Group: string;
  readonly EnableHA: boolean;
  readonly StartupMode: "AutoDetect" | "StandAlone";
  readonly RemoteDiscoveryNIC: string;
  readonly LocalReplicationNIC: string;
  readonly LocalDiscoveryNIC: string;
  readonly DiscoveryTimeout: number;
  readonly HeartbeatTimeout: number;
  readonly PreferredPrimary: boolean;
  readonly RemoteDiscoveryPort: number;
  readonly ReplicationPort: number;
  readonly ExternalReplicationPort: number;
  readonly ExternalReplicationNIC: string;
  readonly UseSecuredConnections: boolean;
  /** Not there until it is set; then as good as true. */
  readonly RequireCertificates?: boolean;
}

/** The running configuration of the cluster. */
export interface ClusterConfiguration {
  readonly EnableClusterMembership: boolean;
  readonly ClusterName: string;
  readonly UseMulticastDiscovery: boolean;
  readonly MulticastDiscoveryTTL: number;
  readonly DiscoveryServerList: string | null;
  readonly ControlAddress: string | null;
  readonly ControlPort: number;
  readonly ControlExternalAddress: string | null;
  readonly ControlExternalPort: number | null;
  readonly MessagingAddress: string | null;
  readonly MessagingPort: number;
  readonly MessagingExternalAddress: string | null;
  readonly MessagingExternalPort: number | null;
  readonly MessagingUseTLS: boolean;
  readonly DiscoveryPort: number;
  readonly DiscoveryTime: number;
  readonly RequireCertificates: boolean;
}

const highAvailabilityDefaults: HighAvailabilityConfiguration = {
  Group: "",
  EnableHA: false,
  StartupMode: "AutoDetect",
  RemoteDiscoveryNIC: "",
  LocalReplicationNIC: "",
  LocalDiscoveryNIC: "",
  DiscoveryTimeout: 600,
  HeartbeatTimeout: 10,
  PreferredPrimary: false,
  RemoteDiscoveryPort: 0,
  ReplicationPort: 0,
  ExternalReplicationPort: 0,
  ExternalReplicationNIC: "",
  UseSecuredConnections: false,
};

const clusterDefaults: ClusterConfiguration = {
  EnableClusterMembership: false,
  ClusterName: "",
  UseMulticastDiscovery: true,
  MulticastDiscoveryTTL: 1,
  DiscoveryServerList: null,
  ControlAddress: null,
  ControlPort: 9104,
  ControlExternalAddress: null,
  ControlExternalPort: null,
  MessagingAddress: null,
  MessagingPort: 9105,
  MessagingExternalAddress: null,
  MessagingExternalPort: null,
  MessagingUseTLS: false,
  DiscoveryPort: 9106,
  DiscoveryTime: 10,
  RequireCertificates: true,
};

/** The stored values of both objects over the defaults; the properties were checked when they were stored. */
export function withDefaults(stored: Configuration): {
  readonly HighAvailability: HighAvailabilityConfiguration;
  readonly ClusterMembership: ClusterConfiguration;
} {
  return {
    HighAvailability: { ...highAvailabilityDefaults, ...stored.HighAvailability },
    ClusterMembership: { ...clusterDefaults, ...stored.ClusterMembership },
  };
}
