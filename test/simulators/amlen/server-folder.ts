import { randomUUID } from "node:crypto";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { parseServerCfg, type ServerCfg } from "./server-cfg.ts";
import type { Configuration } from "./configuration-objects.ts";
import type { KnownMember } from "./cluster-members.ts";

/** What a member keeps on disk beside its certificates. */
export interface StoredState {
  readonly configuration: Configuration;
  readonly maintenance: boolean;
  /** Both members of a pair have one after they were in synchronisation. */
  readonly serverUid: string;
  /** Orders the members of a pair where nothing else does. */
  readonly nodeId: string;
  readonly store: StoreState;
  readonly clusterMembers: readonly KnownMember[];
  /** UIDs that were removed from the cluster here. */
  readonly removedMembers: readonly string[];
}

/** What the choice of a primary asks of the message store. */
export interface StoreState {
  readonly empty: boolean;
  readonly wasPrimary: boolean;
  /** Stores that were ever in synchronisation have the same one. */
  readonly lineage: string;
  /** Grows with each change of the primary. */
  readonly session: number;
  /** A synchronisation was broken off: this store cannot be the primary's. */
  readonly partial: boolean;
}

export function newStore(): StoreState {
  return { empty: true, wasPrimary: false, lineage: randomUUID(), session: 0, partial: false };
}

/** Name and base64 content of each file below a member's certificates folder. */
export type CertificateFiles = Readonly<Record<string, string>>;

/** The log files of a member: of the server and of connections, and the trace where alone TLS is mentioned. */
export type LogName = "imaserver-default" | "imaserver-connection" | "imatrace";

/**
 * One member's folder: server.cfg, data/certificates/{keystore,truststore}, data/state.json, diag/logs.
 * Makes what is not there yet.
 */
export class ServerFolder {
  readonly path: string;
  #state: StoredState;

  constructor(path: string) {
    this.path = path;
    this.#makeStores();
    mkdirSync(join(path, "diag", "logs"), { recursive: true });
    const cfg = join(path, "server.cfg");
    if (!existsSync(cfg)) writeFileSync(cfg, defaultServerCfg(this.certificates));
    this.#state = readState(this.#stateFile) ?? newState();
  }

  get certificates(): string {
    return join(this.path, "data", "certificates");
  }

  get state(): StoredState {
    return this.#state;
  }

  cfg(): ServerCfg {
    return parseServerCfg(readFileSync(join(this.path, "server.cfg"), "utf8"), this.certificates);
  }

  /** Sets one name in server.cfg, for the next start. */
  setCfg(name: keyof ServerCfg, value: string): void {
    const path = join(this.path, "server.cfg");
    const others = readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => !line.startsWith(`${name} =`));
    writeFileSync(path, [...others, `${name} = ${value}`, ""].join("\n"));
  }

  keep(changes: Partial<StoredState>): void {
    this.#state = { ...this.#state, ...changes };
    writeFileSync(`${this.#stateFile}.new`, JSON.stringify(this.#state));
    renameSync(`${this.#stateFile}.new`, this.#stateFile);
  }

  keepStore(changes: Partial<StoreState>): void {
    this.keep({ store: { ...this.#state.store, ...changes } });
  }

  log(name: LogName, line: string): void {
    appendFileSync(join(this.path, "diag", "logs", `${name}.log`), `${line}\n`);
  }

  /** All of data/certificates, wherever KeyStore points to. */
  certificateFiles(): CertificateFiles {
    return Object.fromEntries(
      readdirSync(this.certificates, { recursive: true, encoding: "utf8" })
        .map((name) => join(this.certificates, name))
        .filter((path) => statSync(path).isFile())
        .map((path) => [relative(this.certificates, path), readFileSync(path, "base64")]),
    );
  }

  /** Moves data/certificates away and puts `files` in its place, keys included, as a standby does. */
  replaceCertificates(files: CertificateFiles): void {
    const away = `${this.certificates}.before`;
    rmSync(away, { recursive: true, force: true });
    renameSync(this.certificates, away);
    this.#makeStores();
    for (const [name, content] of Object.entries(files)) {
      const path = join(this.certificates, name);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, Buffer.from(content, "base64"), { mode: 0o600 });
    }
  }

  #makeStores(): void {
    for (const store of ["keystore", "truststore"]) {
      mkdirSync(join(this.certificates, store), { recursive: true });
    }
  }

  get #stateFile(): string {
    return join(this.path, "data", "state.json");
  }
}

function defaultServerCfg(certificates: string): string {
  return `KeyStore = ${certificates}/keystore\nTrustedCertificateDir = ${certificates}/truststore\n`;
}

function newState(): StoredState {
  return {
    configuration: { HighAvailability: {}, ClusterMembership: {} },
    maintenance: false,
    serverUid: randomUUID().slice(0, 8),
    nodeId: randomUUID(),
    store: newStore(),
    clusterMembers: [],
    removedMembers: [],
  };
}

function readState(path: string): StoredState | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as StoredState;
  } catch {
    return undefined;
  }
}
