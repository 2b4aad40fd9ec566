import type { Server } from "node:net";
import { DomainError } from "../kit/index.ts";

/** Longer than the idle times of common load balancers and callers: they end idle connections, not we. */
export const keepAliveTimeoutMs = 75_000;

/** Listens; `what` names the port in the message of `port-in-use` or `forbidden`. */
export function listenOn(
  server: Server,
  port: number,
  host: string | undefined,
  what: string,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (cause: NodeJS.ErrnoException): void =>
      reject(listenFailure(cause, port, what));
    server.once("error", onError);
    server.listen({ port, ...(host === undefined ? {} : { host }) }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function listenFailure(cause: NodeJS.ErrnoException, port: number, what: string): Error {
  const context = { port };
  if (cause.code === "EADDRINUSE") {
    return new DomainError(
      "port-in-use",
      `another process listens on the ${what} port ${port}: stop it, or choose another port`,
      { cause, context },
    );
  }
  if (cause.code === "EACCES") {
    return new DomainError(
      "forbidden",
      `the ${what} port ${port} needs a privilege: choose one above 1023`,
      { cause, context },
    );
  }
  return cause;
}

/** Stops listening and ends idle connections; open requests go on. */
export function stopListening(server: Server & { closeIdleConnections(): void }): void {
  if (server.listening) server.close();
  server.closeIdleConnections();
}
