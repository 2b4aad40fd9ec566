import { DomainError, isDomainError, type ErrorCode } from "../kit/index.ts";

/** What the system says when a connection is not made, and what to check then. */
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "it refuses the connection; check that the process there runs, and the port",
  ECONNRESET: "it ended the connection; check that the port is the right one",
  ENOTFOUND: "its name is not known; check the name, and that this host can look it up",
  EAI_AGAIN: "its name is not known; check the name, and that this host can look it up",
  ETIMEDOUT: "it does not answer; check that it runs, and that no firewall is between",
  EHOSTUNREACH: "no route leads there; check the address and the network",
  ENETUNREACH: "no route leads there; check the address and the network",
};

/** The `unreachable` of a server to which no connection was made, with reason and remedy. */
export function reachFailure(
  { address, port }: { address: string; port: number },
  cause: unknown,
): DomainError {
  const code = String((cause as NodeJS.ErrnoException).code);
  const isOtherProtocol = /^(ERR_SSL_|EPROTO)/.test(code);
  const reason = isOtherProtocol
    ? "it does not speak TLS as we do; check that the port is the right one"
    : (reasons[code] ?? "the connection failed; check that it runs, its address and its port");
  return new DomainError("unreachable", `${address}:${port} cannot be reached: ${reason}`, {
    cause,
  });
}

/** The error of a server that answers, and not as the API of an Admin Node Manager does. */
export function otherServer(
  { address, port }: { address: string; port: number },
  cause?: unknown,
): DomainError {
  return new DomainError(
    "untrusted-server",
    `${address}:${port} is not an Admin Node Manager's port but a Node Manager's, a gateway's or another server's: check the address and the port`,
    { cause },
  );
}

/** No answer, an answer of somebody else, or one with status 503. */
const failuresOfOneServer: readonly ErrorCode[] = [
  "unreachable",
  "timeout",
  "untrusted-server",
  "store-unavailable",
  "authority-unavailable",
  "not-leader",
];

/** True if a call failed because of the server that was called: another one may serve it. */
export function mayDoBetterElsewhere(error: unknown): boolean {
  return failuresOfOneServer.some((code) => isDomainError(error, code));
}
