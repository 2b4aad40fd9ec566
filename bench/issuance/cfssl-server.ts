import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { until } from "../../src/demo/until.ts";
import { freePort } from "../../test/support/free-port.ts";
import type { CfsslDatabase } from "./cfssl-database.ts";
import type { IssuanceServer } from "./servers.ts";

/** Why cfssl cannot be measured here, or null. Installs Debian's package where we may. */
export function whyNoCfssl(): string | null {
  const isThere = (): boolean => spawnSync("cfssl", ["version"]).status === 0;
  if (isThere()) return null;
  if (process.getuid?.() !== 0) return "cfssl is not installed, and installing it needs root";
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", "golang-cfssl"]]) {
    const { status } = spawnSync("apt-get", ["-q", ...args], { stdio: ["ignore", 2, 2] });
    if (status !== 0) return `cfssl is not installed, and \`apt-get ${args.join(" ")}\` failed`;
  }
  return isThere() ? null : "golang-cfssl is installed, and cfssl does not run";
}

/** `cfssl serve` over TLS with a P-256 CA, which signs for 30 days what it is asked for. */
export async function startCfssl(
  folder: string,
  database: CfsslDatabase | null,
): Promise<IssuanceServer> {
  mkdirSync(folder, { recursive: true });
  const [ca, tls] = ["ca", "localhost"].map((name) => makeCertificate(folder, name));
  if (ca === undefined || tls === undefined) throw new Error("invariant broken: two were made");
  const usages = ["digital signature", "server auth", "client auth"];
  const config = { signing: { default: { expiry: "720h", usages } } };
  writeFileSync(`${folder}/config.json`, JSON.stringify(config));
  const port = await freePort();
  const args = ["serve", "-address=127.0.0.1", `-port=${port}`, "-loglevel=3"];
  args.push(`-ca=${ca.cert}`, `-ca-key=${ca.key}`, `-config=${folder}/config.json`);
  args.push(`-tls-cert=${tls.cert}`, `-tls-key=${tls.key}`);
  if (database !== null) {
    writeFileSync(`${folder}/db.json`, JSON.stringify(database.config));
    args.push(`-db-config=${folder}/db.json`);
  }
  const child = spawn("cfssl", args, { stdio: ["ignore", "ignore", "inherit"], cwd: folder });
  await until("cfssl answers", async () => {
    const { status } = spawnSync("openssl", ["s_client", "-connect", `127.0.0.1:${port}`], {
      input: "",
    });
    if (status !== 0) throw new Error("it does not yet");
  });
  return {
    name: `cfssl, ${database?.name ?? "no database"}`,
    status: 200,
    pids: () => [child.pid ?? 0, ...(database?.pids() ?? [])],
    connection: (_client, requests) => ({
      port,
      path: "/api/v1/cfssl/sign",
      ca: readFileSync(tls.cert, "utf8"),
      bodies: requests.map((request) =>
        JSON.stringify({ certificate_request: request, hosts: ["gateway.bench.test"] }),
      ),
    }),
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
      await database?.stop();
    },
  };
}

function makeCertificate(folder: string, name: string): { key: string; cert: string } {
  const files = { key: `${folder}/${name}.key.pem`, cert: `${folder}/${name}.pem` };
  execFileSync(
    "openssl",
    ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"].concat([
      "-days",
      "30",
      "-subj",
      `/CN=${name}`,
      "-keyout",
      files.key,
      "-out",
      files.cert,
    ]),
    { stdio: "ignore" },
  );
  return files;
}
