import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { postgresDatabase, sqliteDatabase } from "./issuance/cfssl-database.ts";
import { startCfssl, whyNoCfssl } from "./issuance/cfssl-server.ts";
import { startGatehouse } from "./issuance/gatehouse-server.ts";
import { measureLoad, type LoadFigures } from "./issuance/measure-load.ts";
import { makeRequests } from "./issuance/requests.ts";
import type { IssuanceServer } from "./issuance/servers.ts";
import { signaturesPerCpuSecond, syncsPerSecond } from "./machine.ts";
import type { BenchOptions } from "./options.ts";
import { tableOf } from "./results.ts";

const requestCount = 6_000;
const warmUpSeconds = 2;

type Starter = (folder: string) => Promise<IssuanceServer | null>;

/** Certificates from fresh requests over TLS: of Gatehouse, and of cfssl with and without a database. */
export async function benchIssuance(options: BenchOptions): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "gatehouse-bench-"));
  const notes: string[] = [];
  try {
    const syncs = syncsPerSecond(folder);
    const requests = await makeRequests(requestCount);
    const starters: Starter[] = [(at) => startGatehouse(at, options.nodeOptions)];
    if (options.peers) starters.push(...peers(notes));
    const rows: Record<string, string | number>[] = [];
    for (const [i, start] of starters.entries()) {
      const server = await start(join(folder, String(i)));
      if (server !== null) rows.push(...(await measure(server, requests, options, notes)));
    }
    const yardstick = `Yardstick: ${Math.round(signaturesPerCpuSecond())} P-256 signatures per CPU second in one thread; ${syncs} writes with fdatasync per second on the disk.`;
    return [tableOf(rows), yardstick, ...notes].join("\n\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function peers(notes: string[]): Starter[] {
  const reason = whyNoCfssl();
  if (reason !== null) {
    notes.push(`Without a peer: ${reason}.`);
    return [];
  }
  return [
    (at) => startCfssl(at, null),
    (at) => startCfssl(at, sqliteDatabase(at)),
    async (at) => {
      const database = await postgresDatabase();
      if (database !== null) return startCfssl(at, database);
      notes.push("PostgreSQL is not installed, or we are not root: not measured.");
      return null;
    },
  ];
}

async function measure(
  server: IssuanceServer,
  requests: readonly string[],
  { clients, seconds }: BenchOptions,
  notes: string[],
): Promise<Record<string, string | number>[]> {
  const rows = [];
  try {
    for (const count of clients) {
      const share = Math.floor(requests.length / count);
      const connections = Array.from({ length: count }, (_, client) =>
        server.connection(client, requests.slice(client * share, (client + 1) * share)),
      );
      const { status } = server;
      const order = { connections, warmUpSeconds, seconds, status };
      const signPerSecond = signaturesPerCpuSecond();
      try {
        const figures = await measureLoad(order, () => server.pids());
        rows.push(rowOf(server.name, count, figures, signPerSecond));
        process.stderr.write(`${JSON.stringify(rows.at(-1))}\n`);
      } catch (error) {
        // A peer may not bear the load (cfssl's SQLite is "locked"): that is a result too.
        notes.push(`${server.name}, ${count} clients, failed: \`${lastLineOf(error)}\``);
      }
    }
  } finally {
    await server.stop();
  }
  return rows;
}

/** Of a refusal the body, of anything else all there is. */
function lastLineOf(error: unknown): string {
  return String(error).trim().split("\n").at(-1) ?? "";
}

function rowOf(
  name: string,
  clients: number,
  figures: LoadFigures,
  signPerSecond: number,
): Record<string, string | number> {
  return {
    server: name,
    clients,
    "certificates/s": Math.round(figures.perSecond),
    "server CPU ms each": figures.serverCpuMs.toFixed(3),
    "in signatures": Math.round((figures.serverCpuMs / 1000) * signPerSecond),
    "p50 ms": figures.p50Ms.toFixed(1),
    "p99 ms": figures.p99Ms.toFixed(1),
    "client CPU ms each": figures.clientCpuMs.toFixed(3),
  };
}
