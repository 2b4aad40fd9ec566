import { DomainError, type ErrorCode } from "../kit/index.ts";

/** HTTP status of each code, where it is not 400: chosen here and nowhere else. */
const statusOf: Partial<Record<ErrorCode, number>> = {
  "not-found": 404,
  "already-exists": 409,
  unauthenticated: 401,
  forbidden: 403,
  "rate-limited": 429,
  "token-expired": 410,
  "token-used": 410,
  denied: 403,
  quarantined: 403,
  "identity-in-use": 409,
  timeout: 504,
  conflict: 409,
  "rollout-active": 409,
  "rollout-blocked": 409,
  "plan-stale": 409,
  "plan-unsafe": 409,
  "still-running": 409,
  "not-leader": 503,
  "store-unavailable": 503,
  "stale-epoch": 409,
  "authority-unavailable": 503,
  "disk-full": 507,
  "read-only": 507,
  "state-corrupt": 500,
  "not-supported": 501,
  internal: 500,
};

/** An error as RFC 9457 problem details. What is not a DomainError is ours, and told to nobody. */
export function problemOf(error: unknown): { status: number; body: Record<string, unknown> } {
  const known =
    error instanceof DomainError
      ? error
      : new DomainError("internal", "the Admin Node Manager failed: its log says how");
  const status = statusOf[known.code] ?? 400;
  return {
    status,
    body: {
      type: `/docs/errors#${known.code}`,
      title: known.code,
      status,
      detail: known.message,
      code: known.code,
      context: known.context,
    },
  };
}
