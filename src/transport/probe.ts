import type { ConnectionOptions, SecureContext, TLSSocket } from "node:tls";
import { connect } from "node:tls";
import type { KnownProcess, PeerVerdict } from "../domain/index.ts";
import { DomainError } from "../kit/index.ts";
import { connectOver, type DialledConnections } from "./dialled.ts";
import { contextOf, type Identity } from "./identity.ts";
import type { LoadedTrust } from "./loaded-trust.ts";
import { describePeer, judgePeer, readPeer, type Self } from "./peer.ts";

/** Application protocol (ALPN, RFC 7301) of probe connections: one line of JSON, then the end. */
export const probeProtocol = "gatehouse-probe/1";

/** How long a probe connection stays open after its answer. */
const lastWordMs = 5_000;

const probeNameSuffix = ".probe.gatehouse.internal";

/** Server name (SNI) by which a probe asks for the chain of an authority that is being introduced. */
export function probeServerName(authorityId: string): string {
  return `${authorityId}${probeNameSuffix}`;
}

/** What the answering side says in application data, with the trust that it has loaded. */
export interface ProbeAnswer {
  readonly accepted: boolean;
  readonly epoch: number;
  readonly process: string;
  readonly text: string;
}

/** Contexts with probe certificates, by authority, until they expire. Keys stay in memory. */
export class ProbeContexts {
  readonly #contexts = new Map<string, { identity: Identity; untilMs: number }>();

  set(authorityId: string, identity: Identity, untilMs: number): void {
    this.#contexts.set(authorityId, { identity, untilMs });
  }

  has(authorityId: string, nowMs: number): boolean {
    return (this.#contexts.get(authorityId)?.untilMs ?? 0) > nowMs;
  }

  /** The identity of a probe that has not expired; an expired one is forgotten with its key. */
  identity(authorityId: string, nowMs: number): Identity | undefined {
    if (this.has(authorityId, nowMs)) return this.#contexts.get(authorityId)?.identity;
    this.#contexts.delete(authorityId);
    return undefined;
  }

  /** The context for a server name, or undefined if it is not that of a probe that is prepared. */
  byServerName(
    name: string,
    trust: LoadedTrust,
    verify: "management" | null,
  ): SecureContext | undefined {
    if (!name.endsWith(probeNameSuffix)) return undefined;
    const identity = this.identity(name.slice(0, -probeNameSuffix.length), Date.now());
    return identity && contextOf(identity, trust, verify);
  }
}

/**
 * Answers a probe connection: says whether the loaded trust accepts the probe certificate that was
 * shown. `judge` decides; for listeners that ask callers for no certificate it is null.
 */
export function answerProbe(
  socket: TLSSocket,
  process: string,
  trust: LoadedTrust,
  judge: ((socket: TLSSocket) => PeerVerdict) | null,
): PeerVerdict | null {
  const verdict = judge?.(socket) ?? null;
  const accepted = verdict?.ok ?? true;
  const answer: ProbeAnswer = {
    accepted,
    epoch: trust.epoch,
    process,
    text: verdict?.ok === false ? verdict.text : "",
  };
  socket.on("error", () => socket.destroy());
  // The other side ends the connection after it has read this; it must not be able to keep it.
  socket.setTimeout(lastWordMs, () => socket.destroy());
  socket.resume();
  socket.end(`${JSON.stringify(answer)}\n`);
  return verdict;
}

/** Checks the client of a probe connection by the chain that it showed in this handshake. */
export function judgeProbeClient(
  socket: TLSSocket,
  trust: LoadedTrust,
  self: Self,
  known: readonly KnownProcess[],
  nowMs: number,
): PeerVerdict {
  const peer = readPeer(socket);
  if (peer === null)
    return {
      ok: false,
      refusal: "no-identity",
      text: "a probe connection needs a probe certificate",
    };
  // A resumed session repeats an old verdict: it proves nothing about the trust that is loaded now.
  if (socket.isSessionReused())
    return { ok: false, refusal: "probe", text: "a probe needs a full handshake" };
  return judgePeer(peer, trust, {
    self,
    known,
    nowMs,
    peerIs: "client",
    expected: null,
    probe: true,
  });
}

export interface ProbeTarget {
  readonly address: string;
  readonly port: number;
  /** Connections that the other side opened, used in place of an own one. */
  readonly dialled?: DialledConnections;
  readonly authorityId: string;
  /** The probe certificate to show; null on listeners that ask for none. */
  readonly identity: Identity | null;
  readonly trust: LoadedTrust;
  /** CAs that the other side is verified with. */
  readonly usage: "management" | "traffic";
  /** Checks what the server shows, after its chain verified; throws or returns an Error to refuse. */
  checkServer(peer: ReturnType<typeof describePeer>): Error | undefined;
  readonly timeoutMs: number;
}

/**
 * Opens a probe connection: a full handshake in which both sides show certificates of the
 * authority, and the other side's word in application data. Resolves with its answer; rejects if
 * this side's trust refuses what the server shows. (With TLS 1.3 a client that is about to be
 * rejected still sees a completed handshake: only the answer counts.)
 */
export async function probe(target: ProbeTarget): Promise<ProbeAnswer> {
  const { address: host, port, dialled } = target;
  if (dialled === undefined)
    return probeOver(target, (options) => connect({ ...options, host, port }));
  const opened = await dialled.take();
  return probeOver(target, (options) => connectOver(opened, options, dialled));
}

function probeOver(
  target: ProbeTarget,
  open: (options: ConnectionOptions) => TLSSocket,
): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const { address, port, authorityId, identity, trust } = target;
    const fail = (cause: unknown): void => {
      socket.destroy();
      reject(
        new DomainError(
          "certificate-rejected",
          `the probe of ${address}:${port} under ${authorityId} was not accepted`,
          { cause },
        ),
      );
    };
    const socket = open({
      servername: probeServerName(authorityId),
      ALPNProtocols: [probeProtocol],
      timeout: target.timeoutMs,
      minVersion: "TLSv1.3",
      ca: trust.anchorsPem(target.usage),
      ...(identity === null
        ? {}
        : { key: identity.keyPem, cert: identity.certificatePem + trust.chainPem(authorityId) }),
      checkServerIdentity: (_name, certificate) =>
        target.checkServer(describePeer(certificate as Parameters<typeof describePeer>[0], null)),
    });
    let text = "";
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => (text += chunk));
    socket.once("timeout", () => fail(new Error(`no answer within ${target.timeoutMs} ms`)));
    socket.once("error", fail);
    socket.once("end", () => {
      try {
        const answer = JSON.parse(text) as ProbeAnswer;
        if (!answer.accepted) return fail(new Error(answer.text));
        socket.destroy();
        resolve(answer);
      } catch (cause) {
        fail(cause);
      }
    });
  });
}
