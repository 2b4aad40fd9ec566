import { DomainError } from "../kit/index.ts";
import { formatTime } from "./civil-time.ts";

/** From when to when a certificate is valid; milliseconds since 1970, whole seconds, both included. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * The validity of a leaf issued at `nowMs`: from `backdateSeconds` before (for clocks that are
 * late) to `lifetimeSeconds` after, but never past its issuer's end; `cut` says that it was
 * shortened for that. A DomainError `certificate-rejected` if the issuer has ended already.
 */
export function leafValidity(input: {
  nowMs: number;
  lifetimeSeconds: number;
  backdateSeconds: number;
  issuerNotAfterMs: number;
}): Validity & { readonly cut: boolean } {
  const { nowMs, lifetimeSeconds, backdateSeconds, issuerNotAfterMs } = input;
  if (issuerNotAfterMs <= nowMs) {
    throw new DomainError(
      "certificate-rejected",
      `the issuer's certificate ended at ${formatTime(issuerNotAfterMs)}; rotate the authority first`,
    );
  }
  const nowSeconds = Math.floor(nowMs / 1000);
  const wantedMs = (nowSeconds + lifetimeSeconds) * 1000;
  return {
    notBeforeMs: (nowSeconds - backdateSeconds) * 1000,
    notAfterMs: Math.min(wantedMs, issuerNotAfterMs),
    cut: wantedMs > issuerNotAfterMs,
  };
}
