import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { memberAt, type MemberAt } from "../../../src/drivers/index.ts";
import { driverDescription } from "../../support/driver-description.ts";
import { onEnd } from "../../support/cleanup.ts";
import { freePort } from "../../support/free-port.ts";
import { tempFolder } from "../../support/temp-folder.ts";

/** A real server on this machine, whose driver comes with Gatehouse; its configuration is written. */
export interface RealServer {
  readonly member: MemberAt;
  readonly port: number;
  /** Of the server behind it (stunnel), or of its monitoring. */
  readonly otherPort: number;
  /** Its configuration, null where it has none of its own. */
  readonly configuration: string;
  /** Starts it; it is killed at the end of the test. */
  readonly start: () => void;
  /** Ends it as its supervisor does. */
  readonly stop: () => Promise<void>;
}

export interface ServerKind {
  readonly driver: string;
  readonly argv: (at: Paths) => readonly string[];
  readonly text: (at: Paths) => string;
  /** Variables besides the folder and the port. */
  readonly values: (at: Paths) => Readonly<Record<string, string | number>>;
  /** Whether the server can check its configuration before it reads it. */
  readonly hasCheck: boolean;
}

export interface Paths {
  readonly base: string;
  readonly configuration: string;
  readonly current: string;
  readonly pidFile: string;
  readonly port: number;
  readonly otherPort: number;
}

const pemFiles = ({ current }: Paths): { key: string; certificate: string; trust: string } => ({
  key: join(current, "key.pem"),
  certificate: join(current, "certificate.pem"),
  trust: join(current, "trust.pem"),
});
const isRoot = process.getuid?.() === 0;

export const serverKinds: readonly ServerKind[] = [
  {
    driver: "nginx",
    hasCheck: true,
    argv: ({ configuration }) => ["/usr/sbin/nginx", "-c", configuration],
    values: ({ configuration, pidFile }) => ({ configuration, pidFile }),
    text: (at) => `daemon off; worker_processes 1; pid ${at.pidFile}; error_log stderr;
${isRoot ? "user root root;" : ""}
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((each) => `${each}_temp_path ${at.base}/${each};`).join(" ")}
  server {
    listen 127.0.0.1:${at.port} ssl;
    ssl_certificate ${pemFiles(at).certificate};
    ssl_certificate_key ${pemFiles(at).key};
    ssl_client_certificate ${pemFiles(at).trust};
    ssl_verify_client on;
    location / { return 200 "ok"; }
  }
}
`,
  },
  {
    driver: "haproxy",
    hasCheck: true,
    argv: ({ configuration, pidFile }) => [
      "/usr/sbin/haproxy",
      "-W",
      "-db",
      "-p",
      pidFile,
      "-f",
      configuration,
    ],
    values: ({ configuration, pidFile, base }) => ({
      configuration,
      pidFile,
      socket: join(base, "admin.sock"),
    }),
    text: (at) => `global
  stats socket ${join(at.base, "admin.sock")} mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend front
  bind 127.0.0.1:${at.port} ssl crt ${at.current}/server.pem ca-file ${at.current}/trust.pem verify required
  http-request return status 200 content-type text/plain string ok
`,
  },
  {
    driver: "mosquitto",
    hasCheck: false,
    argv: ({ configuration }) => ["/usr/sbin/mosquitto", "-c", configuration],
    values: ({ pidFile }) => ({ pidFile, group: isRoot ? "mosquitto" : ownGroup() }),
    text: (at) => `listener ${at.port} 127.0.0.1
pid_file ${at.pidFile}
certfile ${pemFiles(at).certificate}
keyfile ${pemFiles(at).key}
cafile ${pemFiles(at).trust}
require_certificate true
allow_anonymous true
`,
  },
  {
    driver: "nats",
    hasCheck: true,
    argv: ({ configuration }) => ["/usr/sbin/nats-server", "-c", configuration],
    values: ({ configuration, pidFile, otherPort }) => ({
      configuration,
      pidFile,
      group: isRoot ? "root" : ownGroup(),
      monitorPort: otherPort,
    }),
    text: (at) => `host: 127.0.0.1
port: ${at.port}
http: "127.0.0.1:${at.otherPort}"
pid_file: "${at.pidFile}"
tls { cert_file: "${pemFiles(at).certificate}", key_file: "${pemFiles(at).key}", ca_file: "${pemFiles(at).trust}", verify: true }
`,
  },
  {
    driver: "stunnel",
    hasCheck: false,
    argv: ({ configuration }) => ["/usr/bin/stunnel4", configuration],
    values: ({ pidFile }) => ({ pidFile }),
    text: (at) => `foreground = yes
pid = ${at.pidFile}
[service]
accept = 127.0.0.1:${at.port}
connect = 127.0.0.1:${at.otherPort}
cert = ${pemFiles(at).certificate}
key = ${pemFiles(at).key}
CAfile = ${pemFiles(at).trust}
verifyChain = yes
`,
  },
  {
    driver: "etcd",
    hasCheck: false,
    argv: (at) => ["/usr/bin/etcd", "--config-file", at.configuration],
    values: ({ otherPort }) => ({
      metricsPort: otherPort,
      group: isRoot ? "root" : ownGroup(),
    }),
    text: (at) => `name: one
data-dir: ${at.base}/data
enable-grpc-gateway: true
listen-client-urls: https://127.0.0.1:${at.port}
advertise-client-urls: https://127.0.0.1:${at.port}
listen-peer-urls: http://127.0.0.1:0
listen-metrics-urls: http://127.0.0.1:${at.otherPort}
client-transport-security:
  cert-file: ${pemFiles(at).certificate}
  key-file: ${pemFiles(at).key}
  trusted-ca-file: ${pemFiles(at).trust}
  client-cert-auth: true
`,
  },
];

function ownGroup(): string {
  return String(process.getgid?.());
}

/** Writes what a server of this kind needs, in a folder of its own. */
export async function realServer(kind: ServerKind): Promise<RealServer> {
  const base = await tempFolder();
  // Servers that give up root must be able to come to their files.
  await chmod(base, 0o755);
  const run = join(base, "run");
  await mkdir(run);
  await chmod(run, 0o777);
  const folder = join(base, "member");
  const paths: Paths = {
    base,
    configuration: join(base, "configuration"),
    current: join(folder, "current"),
    pidFile: join(run, "pid"),
    port: await freePort(),
    otherPort: await freePort(),
  };
  await writeFile(paths.configuration, kind.text(paths));
  const variables = { folder, port: paths.port, ...kind.values(paths) };
  const driver = { ...(await driverDescription(kind.driver)), servedWithinSeconds: 10 };
  let stop = (): Promise<void> => Promise.resolve();
  return {
    member: memberAt({ name: "one", description: driver, variables, others: [] }, []),
    port: paths.port,
    otherPort: paths.otherPort,
    configuration: paths.configuration,
    start: () => {
      const [program = "", ...args] = kind.argv(paths);
      const child = spawn(program, args, { stdio: "ignore", cwd: base });
      const ended = once(child, "exit");
      stop = async () => {
        child.kill("SIGTERM");
        await ended;
      };
      onEnd(stop);
    },
    stop: () => stop(),
  };
}
