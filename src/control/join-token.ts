import { DomainError, toHex } from "../kit/index.ts";
import { formatJoinToken, splitJoinToken, type JoinTokenText } from "../domain/index.ts";
import { hashSecret, newSecret } from "./accounts.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { JoinToken, StoreTransaction } from "./ports.ts";

/** Reads a token's text as it was sent, white space around it left out. */
export function parseJoinToken(text: string): JoinTokenText {
  return splitJoinToken(text.trim());
}

/** Makes a single-use join token and returns its text, which is kept nowhere. */
export async function createJoinToken(
  env: ControlEnvironment,
  request: {
    readonly hostName: string | null;
    /** True: it may join as an Admin Node Manager. */
    readonly isAdmin?: boolean;
    readonly lifetimeSeconds: number;
    readonly actor: string;
  },
): Promise<{ readonly text: string; readonly expiresAtMs: number }> {
  const id = toHex(env.rng.bytes(8));
  const secret = newSecret(env);
  const expiresAtMs = env.clock.nowMs() + request.lifetimeSeconds * 1000;
  const entry = {
    actor: request.actor,
    action: "join-token.create",
    subject: id,
    detail: { host: request.hostName, admin: request.isAdmin === true, expiresAtMs },
  };
  await env.store.write(entry, (tx) =>
    tx.accounts.putJoinToken({
      id,
      secretHash: hashSecret(env, secret),
      hostName: request.hostName,
      isAdmin: request.isAdmin === true,
      createdBy: request.actor,
      expiresAtMs,
      usedAtMs: null,
    }),
  );
  return { text: formatJoinToken({ id, secret, trustKeyId: env.trustKey.keyId }), expiresAtMs };
}

/**
 * The token that a host wants to join by, which has to admit it. Throws `unauthenticated`, `token-used`,
 * `token-expired`, `forbidden`.
 */
export async function requireUsableToken(
  tx: StoreTransaction,
  env: ControlEnvironment,
  token: JoinTokenText,
  { hostName, isAdmin }: { readonly hostName: string; readonly isAdmin?: boolean },
): Promise<JoinToken> {
  const stored = await tx.accounts.joinToken(token.id);
  if (stored === undefined || stored.secretHash !== hashSecret(env, token.secret)) {
    throw new DomainError(
      "unauthenticated",
      "the join token is not one of this domain: make one with `gatehouse token create`",
    );
  }
  if (stored.usedAtMs !== null)
    throw new DomainError(
      "token-used",
      "the join token was used before: make a new one with `gatehouse token create`",
    );
  if (env.clock.nowMs() > stored.expiresAtMs)
    throw new DomainError(
      "token-expired",
      "the join token has expired: make a new one with `gatehouse token create`",
    );
  if (isAdmin === true && stored.isAdmin !== true)
    throw new DomainError(
      "forbidden",
      "the join token does not admit an Admin Node Manager: make one with `gatehouse token create --admin`",
    );
  if (stored.hostName !== null && stored.hostName !== hostName) {
    throw new DomainError(
      "forbidden",
      `the join token is for host ${stored.hostName}, not for ${hostName}: use that name, or make another token`,
    );
  }
  return stored;
}
