import { existsSync, readFileSync } from "node:fs";
import { isAbsolute } from "node:path";

/** The static settings of server.cfg that matter here; what the file does not name is absent. */
export interface ServerCfg {
  readonly keystore?: string;
  readonly truststore?: string;
  readonly discoveryPort: number;
  readonly allowsSingleNic: boolean;
  /** 1 always, 2 never, 3 as messaging. */
  readonly controlTlsPolicy: number;
}

/** The Message Gateway's folders, which Amlen's have taken the place of. */
const gatewayFolders = {
  keystore: "/var/messagesight/data/certificates/keystore",
  truststore: "/var/messagesight/data/certificates/truststore",
};

/** Reads the text of server.cfg: one `Name = value` a line; `#` and `*` begin a comment. */
function parseServerCfg(text: string): ServerCfg {
  const settings = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [, name, value] = /^\s*([A-Za-z][\w.]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) settings.set(name, value);
  }
  const number = (name: string, otherwise: number): number =>
    Number(settings.get(name) ?? otherwise);
  // A path with a variable of Amlen's own start script in it says nothing here.
  const path = (name: string): string | undefined => {
    const found = settings.get(name);
    return found !== undefined && isAbsolute(found) ? found.replace(/\/+$/, "") : undefined;
  };
  const [keystore, truststore] = [path("KeyStore"), path("TrustedCertificateDir")];
  return {
    ...(keystore === undefined ? {} : { keystore }),
    ...(truststore === undefined ? {} : { truststore }),
    discoveryPort: number("HA.DiscoveryPort", 9084),
    allowsSingleNic: number("HA.AllowSingleNIC", 0) === 1,
    controlTlsPolicy: number("Cluster.ControlTLSPolicy", 1),
  };
}

/** The settings of the server.cfg at `path`; Amlen's defaults where it cannot be read. */
export function readServerCfg(path: string | undefined): ServerCfg {
  try {
    return parseServerCfg(readFileSync(path ?? "", "utf8"));
  } catch {
    return parseServerCfg("");
  }
}

/**
 * The folders in which this host's server looks for credentials, as values of the driver: those of
 * server.cfg, or the Message Gateway's where only they exist.
 */
export function foldersOnHost(values: Readonly<Record<string, string>>): Record<string, string> {
  const { keystore, truststore } = readServerCfg(values["serverCfg"]);
  if (keystore !== undefined || truststore !== undefined)
    return {
      ...(keystore === undefined ? {} : { keystore }),
      ...(truststore === undefined ? {} : { truststore }),
    };
  const isGateway = !existsSync(values["keystore"] ?? "") && existsSync(gatewayFolders.keystore);
  return isGateway ? gatewayFolders : {};
}
