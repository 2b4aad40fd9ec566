/** The static settings in server.cfg that the simulator knows, with what holds where the file names none. */
export interface ServerCfg {
  readonly KeyStore: string;
  readonly TrustedCertificateDir: string;
  readonly "HA.DiscoveryPort": number;
  readonly "HA.AllowSingleNIC": number;
  readonly "HA.DisableAutoResync": number;
  readonly "HA.SplitBrainPolicy": number;
  readonly "Cluster.ControlTLSPolicy": number;
  readonly "Store.TotalMemSizeMB": number;
}

const numbers = {
  "HA.DiscoveryPort": 9084,
  "HA.AllowSingleNIC": 0,
  "HA.DisableAutoResync": 0,
  "HA.SplitBrainPolicy": 0,
  "Cluster.ControlTLSPolicy": 1,
  "Store.TotalMemSizeMB": 0,
} as const;

/**
 * Reads server.cfg: one `Name = value` a line, `#` and `*` begin a comment; names that are not known are
 * passed over. `certificates` is the folder that holds keystore and truststore where none is named.
 */
export function parseServerCfg(text: string, certificates: string): ServerCfg {
  const lines = text.split("\n").filter((line) => !/^\s*[#*]/.test(line));
  const settings = new Map(
    lines.flatMap((line) => {
      const [, name, value] = /^\s*([\w.]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name, value] as const];
    }),
  );
  const number = (name: keyof typeof numbers): number =>
    Number(settings.get(name) ?? numbers[name]);
  return {
    KeyStore: settings.get("KeyStore") ?? `${certificates}/keystore`,
    TrustedCertificateDir: settings.get("TrustedCertificateDir") ?? `${certificates}/truststore`,
    "HA.DiscoveryPort": number("HA.DiscoveryPort"),
    "HA.AllowSingleNIC": number("HA.AllowSingleNIC"),
    "HA.DisableAutoResync": number("HA.DisableAutoResync"),
    "HA.SplitBrainPolicy": number("HA.SplitBrainPolicy"),
    "Cluster.ControlTLSPolicy": number("Cluster.ControlTLSPolicy"),
    "Store.TotalMemSizeMB": number("Store.TotalMemSizeMB"),
  };
}
