import type { ConnectionOptions, TLSSocket } from "node:tls";
import { parseCertificate, type Certificate } from "../pki/index.ts";
import type { ServedPort } from "./description.ts";
import { openTcp, startTls } from "./tls-connection.ts";

/** What a port does with a caller that begins a TLS handshake. */
export type PortAnswer =
  | {
      readonly kind: "tls";
      /** What it shows: the leaf, and those above it that it sent. */
      readonly leaf: Certificate;
      readonly chain: readonly Certificate[];
      /** It ended the connection right after, before it had shown that it takes the caller. */
      readonly isRefused: boolean;
    }
  /** It speaks TLS, and refused the caller before it could be seen. */
  | { readonly kind: "refused" }
  /** It answers with something else than TLS, or not at all. */
  | { readonly kind: "plaintext" | "silent" }
  | { readonly kind: "closed" };

/**
 * How a server shows that it takes a caller's certificate; with TLS 1.3 one that is refused sees a completed
 * handshake first. `ticket`: it sends a session ticket (RFC 8446 section 4.6.1); `stay`: it keeps the connection.
 */
export type TakenBy = "ticket" | "stay";

export interface Caller extends Required<Pick<ConnectionOptions, "key" | "cert">> {
  readonly takenBy: TakenBy;
}

const refusalMsMax = 700;

/** Calls a port, as `caller` or as nobody, and says what it does. Trusts nothing. */
export async function probePort(port: ServedPort, caller?: Caller): Promise<PortAnswer> {
  let tcp;
  try {
    tcp = await openTcp(port);
  } catch {
    return { kind: "closed" };
  }
  const identity = caller === undefined ? {} : { key: caller.key, cert: caller.cert };
  try {
    return await answerOf(startTls(tcp, port, identity), caller?.takenBy ?? null);
  } catch (error) {
    return { kind: kindOf(String((error as { code?: unknown }).code), String(error)) };
  } finally {
    tcp.destroy();
  }
}

function answerOf(socket: TLSSocket, takenBy: TakenBy | null): Promise<PortAnswer> {
  return new Promise((resolve, reject) => {
    let shown: { leaf: Certificate; chain: readonly Certificate[] } | null = null;
    let hasTicket = false;
    const taken = (): void => {
      if (shown !== null) resolve({ kind: "tls", ...shown, isRefused: false });
    };
    const ended = (error: Error): void => {
      if (shown === null) reject(error);
      else resolve({ kind: "tls", ...shown, isRefused: !(hasTicket && takenBy === "ticket") });
    };
    socket.on("error", ended);
    socket.once("close", () => ended(new Error("the connection was closed")));
    socket.once("data", taken);
    socket.once("session", () => {
      hasTicket = true;
      if (takenBy === "ticket") taken();
    });
    socket.once("secureConnect", () => {
      try {
        const [leaf, ...chain] = shownChain(socket);
        if (leaf === undefined) throw new Error("no certificate was shown");
        shown = { leaf, chain };
        if (takenBy === null || (hasTicket && takenBy === "ticket")) taken();
        else setTimeout(taken, refusalMsMax).unref();
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}

function shownChain(socket: TLSSocket): Certificate[] {
  const all: Certificate[] = [];
  for (
    let each = socket.getPeerX509Certificate();
    each !== undefined && all.length < 8;
    each = each.issuerCertificate
  )
    all.push(parseCertificate(Uint8Array.from(each.raw)));
  return all;
}

function kindOf(code: string, message: string): "plaintext" | "refused" | "silent" {
  if (/ALERT/.test(code) || /alert/.test(message)) return "refused";
  const isOther = /WRONG_VERSION_NUMBER|PACKET_LENGTH|HTTP_REQUEST|UNEXPECTED_MESSAGE|BAD_/.test(
    code,
  );
  return isOther || /wrong version number|packet length/.test(message) ? "plaintext" : "silent";
}
