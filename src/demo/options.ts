import { DomainError } from "../kit/index.ts";

/** How large the demonstration is, and how it ends. */
export interface DemoOptions {
  /** Stop everything and exit after the summary. */
  readonly once: boolean;
  /** The summary as one JSON object on standard output. */
  readonly json: boolean;
  readonly hosts: number;
  readonly instances: number;
  /** The load lasts at least this long. */
  readonly seconds: number;
  readonly home: string;
  readonly isTemporaryHome: boolean;
}

/** The same before its folder was made; null where a temporary one is wanted. */
export type DemoWish = Omit<DemoOptions, "home" | "isTemporaryHome"> & {
  readonly home: string | null;
};

/** Reads the options after `npm start --`. Throws `usage`. */
export function readDemoOptions(argv: readonly string[]): DemoWish {
  const numbers = { hosts: 3, instances: 6, seconds: 40 };
  let once = false;
  let json = false;
  let home: string | null = null;
  const rest = argv.flatMap((word) =>
    /^--\w+=/.test(word)
      ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)]
      : [word],
  );
  for (let i = 0; i < rest.length; i++) {
    const word = rest[i] ?? "";
    const name = word.slice(2);
    if (word === "--once") once = true;
    else if (word === "--json") json = true;
    else if (word === "--home") home = folder(rest[++i]);
    else if (name in numbers) numbers[name as keyof typeof numbers] = wholeNumber(word, rest[++i]);
    else
      throw new DomainError(
        "usage",
        `npm start does not know ${word}: it takes --once, --json, --hosts N, --instances N, --seconds N and --home FOLDER`,
      );
  }
  return { once, json, ...numbers, home };
}

function wholeNumber(name: string, text: string | undefined): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 10_000) return value;
  throw new DomainError("usage", `${name} needs a whole number from 1 to 10000`);
}

function folder(text: string | undefined): string {
  if (text !== undefined && text !== "") return text;
  throw new DomainError("usage", "--home needs a folder");
}
