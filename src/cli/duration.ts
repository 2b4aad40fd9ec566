import { DomainError } from "../kit/index.ts";

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of a duration as people write it: `90s`, `15m`, `1h`, `7d`. Throws `invalid-input`. */
export function parseDuration(text: string): number {
  const [, digits, unit = ""] = /^([0-9]{1,6})([smhd])$/.exec(text.trim()) ?? [];
  const seconds = Number(digits) * (secondsOf[unit] ?? Number.NaN);
  if (seconds > 0) return seconds;
  throw new DomainError(
    "invalid-input",
    `${JSON.stringify(text)} is not a duration: write a number with s, m, h or d, as in 90s, 15m, 1h or 7d`,
  );
}

/** A whole number of an option. Throws `invalid-input`. */
export function parseWhole(text: string, option: string, max = Number.MAX_SAFE_INTEGER): number {
  const number = /^[0-9]{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number <= max) return number;
  throw new DomainError(
    "invalid-input",
    `${option} takes a whole number${max < Number.MAX_SAFE_INTEGER ? ` up to ${max}` : ""}, not ${JSON.stringify(text)}`,
  );
}

/** How long the new CA is watched before the old one is retired, where nobody says. */
export const observeSecondsDefault = "60";

/** The value of `--observe`: up to 30 days. Throws `invalid-input`. */
export function parseObserveSeconds(text: string): number {
  return parseWhole(text, "--observe", 2_592_000);
}

/** A TCP port of an option. Throws `invalid-input`. */
export function parsePort(text: string, option: string): number {
  const port = parseWhole(text, option);
  if (port >= 1 && port <= 65_535) return port;
  throw new DomainError("invalid-input", `${option} takes a port from 1 to 65535, not ${text}`);
}
