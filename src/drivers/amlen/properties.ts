/** The configuration objects that Gatehouse sends; each has one fixed instance. */
export type ObjectName = "HighAvailability" | "ClusterMembership";

/** What a property may be; null only where it says so. */
export type Property = (
  | { readonly type: "boolean" }
  | { readonly type: "text"; readonly lengthMax: number; readonly form?: Form }
  | { readonly type: "one of"; readonly values: readonly string[] }
  | { readonly type: "number"; readonly min: number; readonly max: number; readonly orZero?: true }
  | { readonly type: "address" }
) & { readonly default: string | number | boolean | null };

interface Form {
  readonly pattern: RegExp;
  readonly text: string;
}

const flag = (value: boolean): Property => ({ type: "boolean", default: value });
const text = (lengthMax: number, value: string | null = ""): Property => ({
  type: "text",
  lengthMax,
  default: value,
});
const number = (min: number, max: number, value: number | null): Property => ({
  type: "number",
  min,
  max,
  default: value,
});
const seconds = (min: number, value: number): Property => number(min, 2_147_483_647, value);
const port = (value: number | null): Property => number(1, 65_535, value);
const highPort: Property = { type: "number", min: 1024, max: 65_535, orZero: true, default: 0 };
const address: Property = { type: "address", default: null };
const oneNic: Property = {
  type: "text",
  lengthMax: 1024,
  form: { pattern: /^[^,]*$/, text: "one host name or address" },
  default: "",
};
const external: Property = {
  type: "text",
  lengthMax: 1024,
  form: { pattern: /^[^[]*$/, text: "a host name or address without brackets" },
  default: null,
};

/** Amlen's serverConfigSchema.json and its validation, with the defaults that it ships. */
export const properties: Readonly<Record<ObjectName, Readonly<Record<string, Property>>>> = {
  HighAvailability: {
    Group: text(128),
    EnableHA: flag(false),
    StartupMode: { type: "one of", values: ["AutoDetect", "StandAlone"], default: "AutoDetect" },
    RemoteDiscoveryNIC: oneNic,
    LocalReplicationNIC: oneNic,
    LocalDiscoveryNIC: oneNic,
    DiscoveryTimeout: seconds(10, 600),
    HeartbeatTimeout: seconds(1, 10),
    PreferredPrimary: flag(false),
    RemoteDiscoveryPort: highPort,
    ReplicationPort: highPort,
    ExternalReplicationPort: highPort,
    ExternalReplicationNIC: oneNic,
    UseSecuredConnections: flag(false),
    // Not in what is shipped; unset counts as true.
    RequireCertificates: flag(true),
  },
  ClusterMembership: {
    EnableClusterMembership: flag(false),
    ClusterName: {
      type: "text",
      lengthMax: 256,
      form: {
        pattern: /^(?! )[^\p{Cc},"\\/=]*(?<! )$/u,
        text: 'a name without , " \\ / = and without a blank at either end',
      },
      default: "",
    },
    UseMulticastDiscovery: flag(true),
    MulticastDiscoveryTTL: number(1, 256, 1),
    DiscoveryServerList: text(65_535, null),
    ControlAddress: address,
    ControlPort: port(9104),
    ControlExternalAddress: external,
    ControlExternalPort: port(null),
    MessagingAddress: address,
    MessagingPort: port(9105),
    MessagingExternalAddress: text(1024, null),
    MessagingExternalPort: port(null),
    MessagingUseTLS: flag(false),
    DiscoveryPort: port(9106),
    DiscoveryTime: seconds(1, 10),
    RequireCertificates: flag(true),
  },
};

/** The names of the objects, for whoever misspells one. */
export const objectNames = Object.keys(properties) as readonly ObjectName[];

/** An object over its defaults. */
export function withDefaults(
  name: ObjectName,
  object: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const defaults = Object.entries(properties[name]).map(([key, each]) => [key, each.default]);
  return { ...Object.fromEntries(defaults), ...object };
}
