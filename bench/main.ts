import { benchFaults } from "./faults.ts";
import { benchIssuance } from "./issuance.ts";
import { benchRotation } from "./rotation.ts";
import { readBenchOptions, type BenchOptions } from "./options.ts";
import { beginBlock, writeBlock } from "./results.ts";

const benches: Readonly<Record<string, (options: BenchOptions) => Promise<string>>> = {
  issuance: benchIssuance,
  rotation: benchRotation,
  faults: benchFaults,
};

const argv = process.argv.slice(2);
const options = readBenchOptions(argv);
// The faults need root.
const chosen = options.benches.length > 0 ? options.benches : ["issuance", "rotation"];
for (const name of chosen) {
  const bench = benches[name];
  if (bench === undefined)
    throw new Error(`there is no bench ${name}: ${Object.keys(benches).join(", ")}`);
  const head = beginBlock(["npm run bench --", ...argv].join(" "));
  const block = `${head}\n\n${await bench(options)}`;
  process.stdout.write(`${name}\n\n${block}\n\n`);
  if (options.write) writeBlock(name, block);
}
