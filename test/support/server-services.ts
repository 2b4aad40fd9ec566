import { chmod, mkdir, writeFile } from "node:fs/promises";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { join } from "node:path";
import type { Declaration } from "../../src/contract/index.ts";
import { freePort } from "./free-port.ts";
import { etcd } from "./load/etcd.ts";
import { http } from "./load/http.ts";
import { startLoad, type Load, type LoadOrder } from "./load/load.ts";
import { mqtt } from "./load/mqtt.ts";
import { nats } from "./load/nats.ts";
import { postgresql } from "./load/postgresql.ts";
import { redis } from "./load/redis.ts";
import type { ClientTls, Target } from "./load/wire.ts";
import { tempFolder } from "./temp-folder.ts";

type Declared = Declaration["services"][number];

/** A service of real servers on host-1, configured, and how its clients call it. */
export interface ServerService {
  readonly declared: Declared;
  readonly targets: readonly Target[];
  readonly protocol: LoadOrder["protocol"];
  /** As a client that reads the same bundle as the members, and shows a member's certificate. */
  readonly tls: () => ClientTls;
}

/** One server of it, before it has a credential. */
interface Place {
  readonly name: string;
  readonly base: string;
  /** Where its driver's generations are, and the one in use. */
  readonly folder: string;
  readonly current: string;
  readonly configuration: string;
  readonly port: number;
  readonly ports: readonly number[];
}

interface Kind {
  readonly driver: string;
  readonly shape: Declared["shape"];
  readonly members: number;
  readonly text: (at: Place, all: readonly Place[]) => string;
  readonly variables: (at: Place) => Record<string, string | number>;
  readonly protocol: LoadOrder["protocol"];
  /** What is there before the first start. */
  readonly setUp?: (at: Place, isFirst: boolean) => Promise<void>;
}

const group = "root";
const password = "a-password-of-tests";
const pem = (at: Place, what: "key" | "certificate" | "trust"): string =>
  join(at.current, `${what}.pem`);
const pidFile = (at: Place): string => join(at.base, "pid");

export const serverKinds = {
  nginx: {
    driver: "nginx",
    shape: "replicas",
    members: 2,
    protocol: http(),
    variables: (at) => ({ pidFile: pidFile(at) }),
    text: (at) => `worker_processes 1; pid ${pidFile(at)}; error_log stderr; user root root;
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${at.base}/${each};`).join(" ")}
  server {
    listen 127.0.0.1:${at.port} ssl;
    ssl_certificate ${pem(at, "certificate")};
    ssl_certificate_key ${pem(at, "key")};
    ssl_client_certificate ${pem(at, "trust")};
    ssl_verify_client on;
    location / { return 200 "ok"; }
  }
}
`,
  },
  haproxy: {
    driver: "haproxy",
    shape: "replicas",
    members: 2,
    protocol: http(),
    variables: (at) => ({ pidFile: pidFile(at), socket: join(at.base, "admin.sock") }),
    text: (at) => `global
  stats socket ${join(at.base, "admin.sock")} mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 5s
frontend front
  bind 127.0.0.1:${at.port} ssl crt ${at.current}/server.pem ca-file ${at.current}/trust.pem verify required
  http-request return status 200 content-type text/plain string ok
`,
  },
  mosquitto: {
    driver: "mosquitto",
    shape: "replicas",
    members: 1,
    protocol: mqtt(),
    variables: (at) => ({ pidFile: pidFile(at), group }),
    text: (at) => `listener ${at.port} 127.0.0.1
pid_file ${pidFile(at)}
user root
certfile ${pem(at, "certificate")}
keyfile ${pem(at, "key")}
cafile ${pem(at, "trust")}
require_certificate true
allow_anonymous true
`,
  },
  nats: {
    driver: "nats",
    shape: "cluster",
    members: 3,
    protocol: nats(),
    variables: (at) => ({
      pidFile: pidFile(at),
      group,
      user: "root",
      monitorPort: at.ports[0] ?? 0,
    }),
    text: (at, all) => {
      const tls = `tls { cert_file: "${pem(at, "certificate")}", key_file: "${pem(at, "key")}", ca_file: "${pem(at, "trust")}", verify: true }`;
      const routes = all.map(({ ports }) => `"nats://127.0.0.1:${ports[1]}"`).join(", ");
      return `host: 127.0.0.1
port: ${at.port}
server_name: ${at.name}
http: "127.0.0.1:${at.ports[0]}"
${tls}
cluster { name: nats, listen: "127.0.0.1:${at.ports[1]}", routes: [${routes}], ${tls} }
`;
    },
  },
  etcd: {
    driver: "etcd",
    shape: "cluster",
    members: 3,
    protocol: etcd(),
    variables: (at) => ({ metricsPort: at.ports[0] ?? 0, group, user: "root" }),
    text: (at, all) => {
      const security = `
  cert-file: ${pem(at, "certificate")}
  key-file: ${pem(at, "key")}
  trusted-ca-file: ${pem(at, "trust")}
  client-cert-auth: true`;
      const cluster = all.map(({ name, ports }) => `${name}=https://127.0.0.1:${ports[1]}`).join();
      return `name: ${at.name}
data-dir: ${at.base}/data
enable-grpc-gateway: true
listen-client-urls: https://127.0.0.1:${at.port}
advertise-client-urls: https://127.0.0.1:${at.port}
listen-peer-urls: https://127.0.0.1:${at.ports[1]}
initial-advertise-peer-urls: https://127.0.0.1:${at.ports[1]}
initial-cluster: ${cluster}
listen-metrics-urls: http://127.0.0.1:${at.ports[0]}
client-transport-security:${security}
peer-transport-security:${security}
`;
    },
  },
  redis: {
    driver: "redis",
    shape: "pair",
    members: 2,
    protocol: redis({ password }),
    variables: (at) => ({
      group,
      account: "root",
      socket: join(at.base, "socket"),
      passwordFile: join(at.base, "password"),
    }),
    setUp: (at) => writeFile(join(at.base, "password"), `${password}\n`, { mode: 0o600 }),
    text: (at) => `port 0
tls-port ${at.port}
bind 127.0.0.1
unixsocket ${at.base}/socket
tls-replication yes
tls-cert-file ${pem(at, "certificate")}
tls-key-file ${pem(at, "key")}
tls-ca-cert-file ${pem(at, "trust")}
requirepass ${password}
masterauth ${password}
repl-diskless-sync-delay 0
dir ${at.base}
appendonly yes
`,
  },
  postgresql: {
    driver: "postgresql",
    shape: "pair",
    members: 2,
    protocol: postgresql(),
    variables: (at) => ({ data: join(at.base, "data"), socketFolder: at.base }),
    setUp: setUpPostgresql,
    text: (at) => `port = ${at.port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '${at.base}'
hba_file = '${at.base}/pg_hba.conf'
ssl = on
ssl_key_file = '${pem(at, "key")}'
ssl_cert_file = '${pem(at, "certificate")}'
ssl_ca_file = '${pem(at, "trust")}'
synchronous_standby_names = '*'
fsync = off
wal_retrieve_retry_interval = 200ms
wal_log_hints = on
wal_keep_size = 64MB
`,
  },
} as const satisfies Readonly<Record<string, Kind>>;

const postgresqlBin = "/usr/lib/postgresql/15/bin";

/** The first has a database with a user for replication; the other copies it. */
async function setUpPostgresql(at: Place, isFirst: boolean): Promise<void> {
  const access = `local all all trust
hostssl all,replication all 127.0.0.1/32 trust clientcert=verify-ca
`;
  await writeFile(join(at.base, "pg_hba.conf"), access);
  await promisify(execFile)("chown", ["-R", "postgres:postgres", at.base]);
  if (!isFirst) return;
  const data = join(at.base, "data");
  const asPostgres = ["-u", "postgres", "--"];
  const initdb = [join(postgresqlBin, "initdb"), "-D", data, "-U", "postgres", "-N"];
  await promisify(execFile)("runuser", [...asPostgres, ...initdb], { cwd: "/" });
  const sql = `create role replication superuser login replication
create table load (worker text, sequence int)
`;
  const single = [join(postgresqlBin, "postgres"), "--single", "-D", data, "postgres"];
  const run = promisify(execFile)("runuser", [...asPostgres, ...single], { cwd: "/" });
  run.child.stdin?.end(sql);
  await run;
}

/** Writes what the servers of a service need, in a folder of its own, and declares it. */
export async function serverService(kind: Kind): Promise<ServerService> {
  const folder = await tempFolder();
  // Servers that give up root must be able to come to their files.
  await chmod(folder, 0o755);
  const places: Place[] = [];
  for (let number = 1; number <= kind.members; number += 1) {
    const name = `${kind.driver}-${number}`;
    const base = join(folder, name);
    await mkdir(base, { recursive: true });
    const own = join(base, "member");
    places.push({
      name,
      base,
      folder: own,
      current: join(own, "current"),
      configuration: join(base, "configuration"),
      port: await freePort(),
      ports: [await freePort(), await freePort()],
    });
  }
  for (const place of places) {
    await writeFile(place.configuration, kind.text(place, places));
    await kind.setUp?.(place, place === places[0]);
  }
  const [first] = places;
  if (first === undefined) throw new Error("a service has a member");
  return {
    declared: {
      name: kind.driver,
      shape: kind.shape,
      driver: kind.driver,
      supervised: true,
      members: places.map((place) => ({
        name: place.name,
        host: "host-1",
        dnsNames: ["localhost"],
        variables: {
          folder: place.folder,
          configuration: place.configuration,
          port: place.port,
          ...kind.variables(place),
        },
      })),
    },
    targets: places.map(({ port }) => ({ host: "127.0.0.1", port })),
    protocol: kind.protocol,
    tls: () => clientTls(first),
  };
}

/** Read anew for every connection; HAProxy has key and certificate in one file. */
function clientTls(at: Place): ClientTls {
  const read = (...names: readonly string[]): string => {
    for (const name of names)
      try {
        return readFileSync(join(at.current, name), "utf8");
      } catch {
        // The next one.
      }
    throw new Error(`${at.name} has no ${names.join(" or ")}`);
  };
  return {
    ca: read("trust.pem"),
    cert: read("certificate.pem", "server.pem"),
    key: read("key.pem", "server.pem"),
    servername: "localhost",
  };
}

/** Calls the members as clients do that retry nothing. */
export function loadOn({ protocol, targets, tls }: ServerService): Load {
  return startLoad({ protocol, targets, tls });
}
