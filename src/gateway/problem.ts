import type { ServerResponse } from "node:http";
import { DomainError, describeError, type ErrorCode } from "../kit/index.ts";

/** HTTP status of the codes that a gateway answers with; 500 for any other. */
const statusOf: Partial<Record<ErrorCode, number>> = {
  "invalid-input": 400,
  unauthenticated: 401,
  forbidden: 403,
  denied: 403,
  "not-found": 404,
  conflict: 409,
  "stale-epoch": 409,
  "not-supported": 409,
  "certificate-rejected": 422,
  unreachable: 503,
  timeout: 504,
};

/** Answers with problem details (RFC 9457); `status` where it is not that of the code. */
export function answerProblem(
  response: ServerResponse,
  error: DomainError,
  status: number = statusOf[error.code] ?? 500,
): void {
  if (response.headersSent) return void response.destroy();
  const { code, message: detail, context } = error;
  const type = `/docs/errors#${code}`;
  const body = JSON.stringify({ type, title: code, status, detail, code, context });
  response.writeHead(status, {
    "content-type": "application/problem+json",
    "content-length": Buffer.byteLength(body),
    ...(status === 503 ? { "retry-after": "1" } : {}),
  });
  response.end(response.req.method === "HEAD" ? undefined : body);
}

/** An error of any kind as the DomainError that may be told to a caller. */
export function toldError(error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  return new DomainError("internal", "the gateway instance failed: see its log", { cause: error });
}

/** `error` for a log line: its code and the whole chain of causes. */
export function loggedError(error: unknown): { code: string; reason: string } {
  return {
    code: error instanceof DomainError ? error.code : "internal",
    reason: describeError(error),
  };
}
