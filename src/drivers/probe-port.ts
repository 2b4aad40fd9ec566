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
      /** It ended the connection right after: it does not take the caller's certificate. */
      readonly isRefused: boolean;
    }
  /** It speaks TLS, and refused the caller before it could be seen. */
  | { readonly kind: "refused" }
  /** It answers with something else than TLS, or not at all. */
  | { readonly kind: "plaintext" | "silent" }
  | { readonly kind: "closed" };

/** With TLS 1.3 a caller that is refused sees a completed handshake first; the alert follows. */
const refusalMsMax = 700;

/** Calls a port, with a client certificate where one is given, and says what it does. Trusts nothing. */
export async function probePort(
  port: ServedPort,
  identity: Pick<ConnectionOptions, "key" | "cert"> = {},
): Promise<PortAnswer> {
  let tcp;
  try {
    tcp = await openTcp(port);
  } catch {
    return { kind: "closed" };
  }
  try {
    return await answerOf(startTls(tcp, port, identity));
  } catch (error) {
    return { kind: kindOf(String((error as { code?: unknown }).code), String(error)) };
  } finally {
    tcp.destroy();
  }
}

function answerOf(socket: TLSSocket): Promise<PortAnswer> {
  return new Promise((resolve, reject) => {
    let shown: { leaf: Certificate; chain: readonly Certificate[] } | null = null;
    const end = (error: Error, isRefused = true): void => {
      if (shown === null) reject(error);
      else resolve({ kind: "tls", ...shown, isRefused });
    };
    socket.on("error", end);
    socket.once("close", () => end(new Error("the connection was closed")));
    socket.once("data", () => end(new Error("unexpected"), false));
    socket.once("secureConnect", () => {
      try {
        const [leaf, ...chain] = shownChain(socket);
        if (leaf === undefined) return end(new Error("no certificate was shown"));
        shown = { leaf, chain };
        setTimeout(() => end(new Error("unexpected"), false), refusalMsMax).unref();
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
