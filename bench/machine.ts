import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from "node:fs";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";

/** What a figure has to be read with. */
export function describeMachine(): string {
  const [first] = cpus();
  return [
    `${cpus().length} cores (${first?.model ?? "unknown"}), ${Math.round(totalmem() / 1e9)} GB`,
    `Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl}`,
    `load average at the start ${loadavg()
      .map((load) => load.toFixed(2))
      .join(" ")}`,
  ].join("; ");
}

/** The yardstick: ECDSA P-256 signatures over 600 bytes per second of processor time, one thread. */
export function signaturesPerCpuSecond(): number {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const tbs = randomBytes(600);
  const start = performance.now();
  const cpu = process.cpuUsage();
  let count = 0;
  while (performance.now() - start < 1000) {
    for (let i = 0; i < 50; i++) sign("sha256", tbs, privateKey);
    count += 50;
  }
  const used = process.cpuUsage(cpu);
  return count / ((used.user + used.system) / 1e6);
}

/** Writes of 4 KB, each with its own fdatasync, per second: what a folder's disk allows. */
export function syncsPerSecond(folder: string): number {
  const path = join(folder, "sync-probe");
  const fd = openSync(path, "w");
  const block = randomBytes(4096);
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < 1000; count++) {
    writeSync(fd, block);
    fdatasyncSync(fd);
  }
  closeSync(fd);
  rmSync(path);
  return count;
}
