import type { TLSSocket } from "node:tls";
import { DomainError } from "../kit/index.ts";
import { codeOf } from "./code.ts";
import type { MemberAt, ProbeCredential } from "./driver-code.ts";
import { openTcp, startTls } from "./tls-connection.ts";

const answerCharactersMax = 65_536;

/**
 * Whether the member's server takes a probe as the certificate of a caller: a full handshake on its
 * first served port, and then an answer in application data that `trust.proof` expects; with TLS 1.3 a
 * caller that is about to be refused sees a completed handshake first (RFC 8446 section 4.4.2.4).
 * Throws `unreachable` if there is no server to ask, `not-supported` if its driver names no proof.
 */
export async function acceptsProbe(member: MemberAt, probe: ProbeCredential): Promise<boolean> {
  const { accepts } = codeOf(member.description);
  if (accepts !== undefined) return accepts(member, probe);
  const {
    served: [port],
    trust: { proof },
  } = member.description;
  if (proof === undefined || port === undefined)
    throw new DomainError(
      "not-supported",
      `the driver ${member.description.name} names no trust.proof: what ${member.name} trusts is not proven on its port`,
    );
  const tcp = await openTcp(port).catch((cause: unknown) => {
    throw new DomainError(
      "unreachable",
      `${port.host}:${port.port} takes no connection: check that the server of ${member.name} runs`,
      { cause },
    );
  });
  try {
    const { privateKeyPem: key, certificateChainPem: cert } = probe;
    return await isAnswered(startTls(tcp, port, { key, cert }), proof);
  } finally {
    tcp.destroy();
  }
}

/** False as soon as the server ends the connection, or says nothing in time. */
async function isAnswered(
  socket: TLSSocket,
  { send, expect }: { send?: string; expect: string },
): Promise<boolean> {
  const wanted = new RegExp(expect, "m");
  let answer = "";
  const matched = new Promise<boolean>((resolve) => {
    socket.setEncoding("latin1").on("data", (text: string) => {
      answer += text;
      if (wanted.test(answer)) resolve(true);
      else if (answer.length > answerCharactersMax) resolve(false);
    });
    socket.on("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
  if (send !== undefined)
    socket.once("secureConnect", () => socket.write(Buffer.from(send, "latin1")));
  return matched;
}
