import { join } from "node:path";
import { isDomainError } from "../kit/index.ts";
import type { RouteName, RouteResponse } from "../contract/index.ts";
import type { ApiInput, ServerAddress } from "../transport/index.ts";
import { AdminConnection } from "./admin-connection.ts";
import type { ConnectionOptions } from "./connection-options.ts";
import { findLogin } from "./credentials.ts";
import { findDomain } from "./first-contact.ts";
import { readProps } from "./props.ts";
import { forgetSession, readSession, saveSession } from "./saved-session.ts";
import type { Terminal } from "./terminal.ts";

/** The API as a user who has logged in. */
export interface Admin {
  /** The Admin Node Managers that are tried, in order. */
  readonly servers: readonly ServerAddress[];
  /** True if one answers; nobody logs in for that. */
  isReachable(): Promise<boolean>;
  call<Name extends RouteName>(name: Name, input?: ApiInput<Name>): Promise<RouteResponse<Name>>;
  /** Logs in and keeps the session for the next commands; returns who, and until when. */
  keepSession(): Promise<{ username: string; expiresAtMs: number }>;
  /** Ends the session, a kept one too. */
  endSession(): Promise<void>;
  /** Ends the session unless it is kept, and the connection. */
  close(): Promise<void>;
}

export type OpenAdmin = (options: ConnectionOptions, terminal: Terminal) => Promise<Admin>;

/** Where the settings file of a home is. */
export function propsPath(home: string): string {
  return join(home, "conf", "managedomain.props");
}

/** Connects to a verified Admin Node Manager; logs in at the first call that needs it. */
export const openAdmin: OpenAdmin = async (options, terminal) => {
  const props = await readProps(propsPath(options.home));
  const found = await findDomain(options, props, terminal);
  const { trust, servers } = found;
  let isWarned = false;
  const connection = new AdminConnection(found, (server, asOf) => {
    if (!isWarned)
      terminal.err(
        `warning: the Admin Node Manager at ${server.address}:${server.port} cannot reach its store: it shows what it knew at ${asOf.toISOString()}`,
      );
    isWarned = true;
  });
  const { domain } = trust.document;
  const wanted = options.username ?? props.username;
  const saved = await readSession(options.home, domain);
  let session: { token: string; isKept: boolean } | null =
    saved !== null && (wanted === undefined || wanted === saved.username)
      ? { token: saved.token, isKept: true }
      : null;

  const logIn = async (): Promise<{ username: string; token: string; expiresAtMs: number }> => {
    const login = await findLogin(options, props, terminal);
    const { token, expiresAtMs } = await connection.call("logIn", { body: login }, null);
    session = { token, isKept: false };
    return { username: login.username, token, expiresAtMs };
  };
  return {
    servers,
    isReachable: () => connection.isReachable(),
    async call(name, input = {}) {
      const token = session?.token ?? (await logIn()).token;
      try {
        return await connection.call(name, input, token);
      } catch (error) {
        if (!isDomainError(error, "unauthenticated") || session?.isKept !== true) throw error;
        await forgetSession(options.home);
        return connection.call(name, input, (await logIn()).token);
      }
    },
    async keepSession() {
      const { username, token, expiresAtMs } = await logIn();
      session = { token, isKept: true };
      await saveSession(options.home, { domain, username, token, expiresAtMs });
      return { username, expiresAtMs };
    },
    async endSession() {
      if (session !== null) await connection.call("logOut", {}, session.token);
      session = null;
      await forgetSession(options.home);
    },
    async close() {
      // A session that could not be ended lapses by itself.
      if (session?.isKept === false)
        await connection.call("logOut", {}, session.token).catch(() => undefined);
      connection.close();
    },
  };
};
