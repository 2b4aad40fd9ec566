import { createHash } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { DomainError } from "../kit/index.ts";
import type { ServedPort } from "./description.ts";
import { openTcp, startTls } from "./tls-connection.ts";

const pollMs = 50;
const settledRounds = 3;

/** A certificate by the SHA-256 of its DER, in hexadecimal. */
export function fingerprintOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

/**
 * The fingerprint of the certificate that a port shows in a full handshake. Nothing is trusted here:
 * the caller knows which certificate it looks for. Throws `unreachable` where there is none to see.
 */
export async function servedFingerprint(port: ServedPort): Promise<string> {
  try {
    return await handshake(port);
  } catch (cause) {
    throw new DomainError(
      "unreachable",
      `${port.host}:${port.port} shows no certificate: check that the server runs and speaks TLS there`,
      { cause },
    );
  }
}

async function handshake(port: ServedPort): Promise<string> {
  const tcp = await openTcp(port);
  try {
    return await new Promise((resolve, reject) => {
      const socket = startTls(tcp, port);
      // A server that refuses callers without a certificate has shown its own by then.
      socket.once("secureConnect", () => resolve(fingerprintOf(socket.getPeerCertificate().raw)));
      socket.on("error", reject);
      socket.once("close", () => reject(new Error("the connection was closed")));
    });
  } finally {
    tcp.destroy();
  }
}

/** True if every port shows the certificate now. */
export async function isServed(
  ports: readonly ServedPort[],
  fingerprint: string,
): Promise<boolean> {
  const found = await Promise.allSettled(ports.map(servedFingerprint));
  return found.every((each) => each.status === "fulfilled" && each.value === fingerprint);
}

/**
 * Resolves when every port shows the certificate, several times in a row: for a moment after a reload,
 * old and new workers may listen on one port. `timeout`, with the ports that do not, otherwise.
 */
export async function untilServed(
  ports: readonly ServedPort[],
  fingerprint: string,
  withinMs: number,
): Promise<void> {
  const end = performance.now() + withinMs;
  for (let inRow = 0; ; await delay(pollMs)) {
    const found = await Promise.allSettled(ports.map(servedFingerprint));
    const others = ports.filter((_, i) => {
      const each = found[i];
      return each?.status !== "fulfilled" || each.value !== fingerprint;
    });
    inRow = others.length === 0 ? inRow + 1 : 0;
    if (inRow === settledRounds) return;
    if (performance.now() < end || inRow > 0) continue;
    const names = others.map(({ host, port }) => `${host}:${port}`).join(", ");
    const failure = found.find((each) => each.status === "rejected");
    throw new DomainError(
      "timeout",
      `${names} did not show the certificate within ${withinMs / 1000} s: look at the server's log`,
      { cause: failure?.reason },
    );
  }
}
