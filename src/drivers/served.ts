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

/** What was seen of a server's certificate in one place. */
export interface Shown {
  /** A port, as `127.0.0.1:443`, or a file where no port shows it. */
  readonly at: string;
  /** SHA-256 of the certificate; null: none is to be seen. */
  readonly leaf: string | null;
  readonly error: unknown;
}

/** What each port shows now; never throws. */
export function shownOn(ports: readonly ServedPort[]): Promise<Shown[]> {
  return Promise.all(
    ports.map(async (port): Promise<Shown> => {
      const at = `${port.host}:${port.port}`;
      return servedFingerprint(port).then(
        (leaf) => ({ at, leaf, error: null }),
        (error: unknown) => ({ at, leaf: null, error }),
      );
    }),
  );
}

/** True if the certificate is all that is shown. */
export function isShown(shown: readonly Shown[], fingerprint: string): boolean {
  return shown.every(({ leaf }) => leaf === fingerprint);
}

/**
 * Resolves when the certificate is all that `look` sees, several times in a row: for a moment after a reload,
 * old and new workers may listen on one port. `timeout`, with the places that do not show it, otherwise.
 */
export async function untilShown(
  look: () => Promise<readonly Shown[]>,
  fingerprint: string,
  withinMs: number,
): Promise<void> {
  const end = performance.now() + withinMs;
  for (let inRow = 0; ; await delay(pollMs)) {
    const shown = await look();
    inRow = isShown(shown, fingerprint) ? inRow + 1 : 0;
    if (inRow === settledRounds) return;
    if (performance.now() < end || inRow > 0) continue;
    const others = shown.filter(({ leaf }) => leaf !== fingerprint);
    throw new DomainError(
      "timeout",
      `${others.map(({ at }) => at).join(", ")} did not show the certificate within ${withinMs / 1000} s: look at the server's log`,
      { cause: others.find(({ error }) => error !== null)?.error },
    );
  }
}
