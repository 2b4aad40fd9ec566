import { connect } from "node:tls";
import { LoadedTrust, ManagedRelyingParty, type SavedTrust } from "../../src/transport/index.ts";

/** Whom the prober calls, and as which managed relying party. */
export interface ProberOrder {
  readonly adminPort: number;
  readonly token: string;
  readonly trust: SavedTrust;
  readonly ports: readonly number[];
  readonly dnsName: string;
  readonly handshakesPerSecond: number;
}

export interface ProberCounts {
  handshakes: number;
  failed: number;
  lastFailure: string | null;
  epoch: number;
}

const stepEveryMs = 250;
const handshakeMsMax = 20_000;
const counts: ProberCounts = { handshakes: 0, failed: 0, lastFailure: null, epoch: 0 };
let isStopping = false;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** One full handshake (nothing is resumed) with a random listener, under the trust of this moment. */
function shakeHands(party: ManagedRelyingParty, { ports, dnsName }: ProberOrder): Promise<void> {
  const port = ports[Math.floor(Math.random() * ports.length)] ?? 0;
  return new Promise((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      servername: dnsName,
      ca: party.trust.anchorsPem("traffic"),
      ALPNProtocols: ["http/1.1"],
      timeout: handshakeMsMax,
    });
    const end = (failure: Error | null): void => {
      socket.destroy();
      counts.handshakes += 1;
      if (failure !== null) {
        counts.failed += 1;
        counts.lastFailure = `${new Date().toISOString()} port ${port}: ${String(failure)}`;
      }
      resolve();
    };
    socket.once("secureConnect", () => end(null));
    socket.once("timeout", () => end(new Error("no handshake in time")));
    socket.once("error", end);
  });
}

async function keepShaking(party: ManagedRelyingParty, order: ProberOrder): Promise<void> {
  while (!isStopping) {
    void shakeHands(party, order);
    await pause(1000 / order.handshakesPerSecond);
  }
}

async function stayInformed(party: ManagedRelyingParty): Promise<void> {
  while (!isStopping) {
    await party
      .step(
        () => {},
        () => null,
      )
      .catch(() => undefined);
    counts.epoch = party.trust.epoch;
    await pause(stepEveryMs);
  }
}

process.once("message", (order: ProberOrder) => {
  const party = new ManagedRelyingParty({
    server: { address: "127.0.0.1", port: order.adminPort },
    trust: LoadedTrust.restore(order.trust),
    token: order.token,
  });
  process.on("message", () => (isStopping = true));
  void Promise.all([stayInformed(party), keepShaking(party, order)]).then(() => {
    process.send?.(counts, () => process.exit(0));
  });
});
process.once("disconnect", () => process.exit(0));
