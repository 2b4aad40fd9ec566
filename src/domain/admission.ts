import { DomainError, type HostId } from "../kit/index.ts";

/** A join token as a person carries it: which token, its secret, and the trust-signing key it pins. */
export interface JoinTokenText {
  readonly id: string;
  readonly secret: string;
  /** Hex SHA-256 of the SPKI of the trust-signing key. */
  readonly trustKeyId: string;
}

/** `gatehouse-join.<id>.<secret>.<key>`. */
export function formatJoinToken(token: JoinTokenText): string {
  return `gatehouse-join.${token.id}.${token.secret}.${token.trustKeyId}`;
}

/** Reads a token's text, nothing around it; throws `invalid-input` without repeating it. */
export function splitJoinToken(text: string): JoinTokenText {
  const match = /^gatehouse-join\.([0-9a-f]{16})\.([0-9a-f]{64})\.([0-9a-f]{64})$/.exec(text);
  const [, id, secret, trustKeyId] = match ?? [];
  if (id !== undefined && secret !== undefined && trustKeyId !== undefined)
    return { id, secret, trustKeyId };
  throw new DomainError(
    "invalid-input",
    "the join token is not whole: copy the line that `gatehouse token create` printed, or make a new token",
  );
}

/** The text that a returning host signs with its last key, and an Admin Node Manager verifies. */
export function returnProofText(request: {
  readonly hostId: HostId;
  readonly nonce: string;
  readonly requestPem: string;
}): string {
  return `gatehouse/return/v1\n${request.hostId}\n${request.nonce}\n${request.requestPem}`;
}
