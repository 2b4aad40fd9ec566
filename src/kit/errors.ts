import type { ErrorCode } from "./error-codes.ts";

/** What an error is about, in fields that logs and API answers print unchanged. Never secrets. */
export type ErrorContext = Readonly<Record<string, string | number | boolean | null>>;

/**
 * An expected failure: the caller did something that cannot be done, or the world is not as it
 * has to be. `code` is from the closed set in `error-codes.ts`; `message` is one line that says
 * what is wrong, where, and what to do. Broken invariants are not DomainErrors: see `assert`.
 */
export class DomainError extends Error {
  override readonly name = "DomainError";
  readonly code: ErrorCode;
  readonly context: ErrorContext;

  constructor(
    code: ErrorCode,
    message: string,
    options: { context?: ErrorContext; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.context = options.context ?? {};
  }
}

/** True if `error` is a DomainError, of the given code where one is given. */
export function isDomainError(error: unknown, code?: ErrorCode): error is DomainError {
  return error instanceof DomainError && (code === undefined || error.code === code);
}

/**
 * The whole chain of causes as one line, outermost first, each message once. Messages never
 * embed their cause's text, so that this function is the only place that joins them.
 */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  for (let e: unknown = error, depth = 0; e !== undefined && depth < 8; depth++) {
    const text = e instanceof Error ? e.message : String(e);
    if (text !== "" && !parts.includes(text)) parts.push(text);
    e = e instanceof Error ? e.cause : undefined;
  }
  return parts.join(": ");
}

/** Throws a plain Error when an invariant of our own code does not hold. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`invariant broken: ${invariant}`);
}
