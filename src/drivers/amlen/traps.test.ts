import { globSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const page = readFileSync("docs/amlen.md", "utf8");
const rows = [...page.matchAll(/^\| (\d+) \| .+ \| (.+) \|$/gm)].map(([, trap, by = ""]) => ({
  trap: Number(trap),
  codes: [...by.matchAll(/`([a-z0-9]+(?:-[a-z0-9]+)+)`/g)].map(([, code = ""]) => code),
}));

const textOf = (pattern: string, isTest: boolean): string =>
  globSync(pattern)
    .filter((path) => path.endsWith(".test.ts") === isTest && !path.endsWith("traps.test.ts"))
    .map((path) => readFileSync(path, "utf8"))
    .join("\n");

test("the page about Amlen has a row for each of its fifteen traps", () => {
  expect(rows.map(({ trap }) => trap)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
});

test.each(rows.flatMap(({ trap, codes }) => codes.map((code) => [trap, code] as const)))(
  "trap %i is found as %s, which exists and is tried",
  (_, code) => {
    const [source, tests] = [false, true].map((isTest) =>
      textOf("{src/{drivers,domain},test/integration/drivers}/**/*.ts", isTest),
    );
    expect(source).toContain(`"${code}"`);
    expect(tests).toContain(`"${code}"`);
  },
);
