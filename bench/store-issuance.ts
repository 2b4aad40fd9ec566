/**
 * Durable issuances per second through the embedded store, as the issuing use case does them: seven
 * statements that read, four that write, in one transaction with its audit record.
 *
 * node bench/store-issuance.ts [callers=64] [seconds=5] [folder on the disk to measure]
 */
import { createHash, randomBytes } from "node:crypto";
import { fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuthorityId, CredentialId, HostId, ProcessId } from "../src/kit/index.ts";
import type { Store } from "../src/control/index.ts";
import { openSqliteStore } from "../src/store/index.ts";

const [callers = "64", seconds = "5", parent = tmpdir()] = process.argv.slice(2);
const folder = mkdtempSync(join(parent, "gatehouse-bench-"));
const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const authorityId = "authority-1" as AuthorityId;
const certificateBytes = 700;

function credentialOf(caller: number): CredentialId {
  return `instance-${caller}/management` as CredentialId;
}

/** Four credentials to a host. */
function hostOf(caller: number): HostId {
  return `host-${caller >> 2}` as HostId;
}

async function issue(store: Store, caller: number): Promise<void> {
  const id = credentialOf(caller);
  const serial = randomBytes(16).toString("hex");
  await store.write(
    { actor: "host:host-1", action: "certificate.issue", subject: id, detail: { serial } },
    async (tx) => {
      const credential = await tx.credentials.get(id);
      if (credential === undefined) throw new Error("the credential is missing");
      await tx.authorities.get(authorityId);
      const sequence = credential.lastSequence + 1;
      const nowMs = Date.now();
      const spki = createHash("sha256").update(serial).digest("hex");
      const dates = { notBeforeMs: nowMs, notAfterMs: nowMs + 2_592_000_000 };
      await tx.issuances.append({
        authorityId,
        serial,
        kind: "leaf",
        credentialId: id,
        sequence,
        subject: `CN=${id}`,
        fingerprint: spki,
        spki,
        ...dates,
        issuedAtMs: nowMs,
        der: randomBytes(certificateBytes),
      });
      const key = { spki, serial, sequence, authorityId, ...dates, confirmed: false };
      await tx.credentials.putRecorded({
        id,
        lastSequence: sequence,
        recorded: [...credential.recorded, key].slice(-4),
      });
      const { hostId } = credential;
      await tx.topology.raiseDocumentVersion(hostId);
      await tx.topology.host(hostId);
      await tx.topology.host(hostId);
      await tx.topology.instances(hostId);
      await tx.topology.domain();
      await tx.credentials.ofHost(hostId);
    },
  );
}

/** Writes with an fdatasync each, per second: what the disk allows without group commit. */
function syncsPerSecond(): number {
  const fd = openSync(join(folder, "sync-probe"), "w");
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < 1000) {
    writeSync(fd, randomBytes(4096));
    fdatasyncSync(fd);
    count++;
  }
  return count;
}

const store = await openSqliteStore({ folder, writer: "nodemanager-1", clock });
try {
  await store.write(
    { actor: "system:bench", action: "bench.prepare", subject: "credentials", detail: {} },
    async (tx) => {
      await tx.topology.putDomain({
        id: "4f1c",
        name: "bench",
        createdAtMs: 1,
        trustSigningKey: "00",
      });
      for (let caller = 0; caller < Number(callers); caller++) {
        await tx.topology.putHost({
          id: hostOf(caller),
          name: hostOf(caller),
          address: "10.0.0.1",
          status: "active",
          dial: "nm",
          nodeManager: {
            id: `nodemanager-${caller >> 2}` as ProcessId,
            name: "nm",
            port: 1,
            isAdmin: false,
            sealingKey: null,
          },
          documentVersion: 1,
        });
        await tx.credentials.put({
          id: credentialOf(caller),
          process: `instance-${caller}` as ProcessId,
          hostId: hostOf(caller),
          usage: "management",
          desired: { authorityId, minSequence: 1, maxSequence: null },
          lastSequence: 0,
          recorded: [],
        });
      }
    },
  );
  const probe = syncsPerSecond();
  const endMs = performance.now() + Number(seconds) * 1000;
  const latenciesMs: number[] = [];
  const cpu = process.cpuUsage();
  const eventLoop = performance.eventLoopUtilization();
  await Promise.all(
    Array.from({ length: Number(callers) }, async (_, caller) => {
      while (performance.now() < endMs) {
        const start = performance.now();
        await issue(store, caller);
        latenciesMs.push(performance.now() - start);
      }
    }),
  );
  const used = process.cpuUsage(cpu);
  const residentMb = Math.round(process.memoryUsage.rss() / 1e6);
  const mainThread = performance.eventLoopUtilization(eventLoop).utilization;
  latenciesMs.sort((a, b) => a - b);
  const [link] = (
    await store.read((view) => view.audit.links("nodemanager-1", 0, 1_000_000))
  ).slice(-1);
  const start = performance.now();
  const verdict = await store.read((view) => view.audit.verify());
  console.log(
    JSON.stringify(
      {
        callers: Number(callers),
        syncsPerSecond: probe,
        issuancesPerSecond: Math.round(latenciesMs.length / Number(seconds)),
        commitsPerSecond: Math.round((link?.number ?? 0) / Number(seconds)),
        cpuMsPerIssuance: Number(
          ((used.user + used.system) / 1000 / latenciesMs.length).toFixed(3),
        ),
        mainThreadBusy: Number(mainThread.toFixed(2)),
        p50Ms: latenciesMs[Math.floor(latenciesMs.length / 2)],
        p99Ms: latenciesMs[Math.floor(latenciesMs.length * 0.99)],
        residentMb,
        verifyMs: Math.round(performance.now() - start),
        verdict,
      },
      null,
      1,
    ),
  );
} finally {
  await store.close();
  rmSync(folder, { recursive: true, force: true });
}
