import { randomBytes } from "node:crypto";
import { DomainError } from "../kit/index.ts";
import type { AdminState } from "./admin-state.ts";

const noncesMax = 10_000;

/** Nonces given out and not used yet, oldest first, with the end of their validity (monotonic). */
const nonces = new Map<string, number>();

/** A nonce (hex of 32 bytes) that counts once, for as long as the policy says. */
export function giveNonce(state: Pick<AdminState, "env">): string {
  const nonce = randomBytes(32).toString("hex");
  const [oldest] = nonces.keys();
  if (nonces.size >= noncesMax && oldest !== undefined) nonces.delete(oldest);
  nonces.set(nonce, state.env.clock.monotonicMs() + state.env.policy.nonceLifetimeSeconds * 1000);
  return nonce;
}

/** Takes a nonce back. Throws `forbidden` for one that was not given out, was used, or is too old. */
export function spendNonce(state: Pick<AdminState, "env">, nonce: string): void {
  const untilMs = nonces.get(nonce);
  nonces.delete(nonce);
  if (untilMs === undefined || untilMs < state.env.clock.monotonicMs())
    throw new DomainError(
      "forbidden",
      "the nonce is not one that was given out, or it is too old: ask for another",
    );
}
