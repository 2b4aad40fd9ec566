import { cpSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { errorsPageProblems } from "../../scripts/checks/errors-page.ts";
import { fileNameProblems } from "../../scripts/checks/file-names.ts";
import { folderReadmeProblems } from "../../scripts/checks/folder-readmes.ts";
import { forbiddenTextProblems } from "../../scripts/checks/forbidden-text.ts";
import { layerGraphProblems } from "../../scripts/checks/layer-graph.ts";
import { layerProblems } from "../../scripts/checks/layers.ts";
import { linkProblems } from "../../scripts/checks/links.ts";
import { reachabilityProblems } from "../../scripts/checks/reachability.ts";
import { sizeProblems } from "../../scripts/checks/sizes.ts";
import {
  deadCodeProblems,
  formatProblems,
  lintProblems,
  typeProblems,
} from "../../scripts/checks/tools.ts";
import { tempFolder } from "../support/temp-folder.ts";

/** The root of a tree that is wrong on purpose. */
function wrong(name: string): string {
  return join(import.meta.dirname, "../fixtures/checks", name);
}

/** A copy of such a tree outside the repository, where our settings do not leave it out. */
async function copyOf(name: string): Promise<string> {
  const folder = await tempFolder();
  cpSync(wrong(name), folder, { recursive: true });
  return folder;
}

/** Problems without the tools' own wording: what stands before the first space, and rule names. */
function places(problems: string[]): string[] {
  return problems.map((problem) => /\(([\w-]+)\)\]$/.exec(problem)?.[1] ?? problem);
}

describe("the types check", () => {
  test("reports wrong types, and Node.js and DOM names in the pure layers", async () => {
    const found = await typeProblems(wrong("types"), ["tsconfig.json", "tsconfig.pure.json"]);
    expect(found.map((line) => /\((\d+),.*(TS\d+)/.exec(line)?.slice(1).join(" "))).toEqual([
      "3 TS2322",
      "1 TS2591",
      "5 TS2304",
      "6 TS2591",
    ]);
  });
});

describe("the lint check", () => {
  test("reports floating and misused promises, any, loose equality and console", async () => {
    const found = await lintProblems(await copyOf("lint"));
    expect(new Set(places(found))).toEqual(
      new Set([
        "no-floating-promises",
        "no-misused-promises",
        "no-explicit-any",
        "eqeqeq",
        "no-console",
      ]),
    );
  });
});

describe("the format check", () => {
  test("names a file that is not formatted", async () => {
    expect(await formatProblems(await copyOf("format"))).toEqual([
      "src/wrong.ts: npm run format writes it differently",
    ]);
  });
});

describe("the dead code check", () => {
  test("reports unused files, exports and dependencies, and leaves out the awaited ones", async () => {
    expect(await deadCodeProblems(wrong("dead-code"))).toEqual([
      "Unused files: orphan.ts",
      "Unused dependencies: left-over package.json",
      "Unused exports: unused function some.ts:3:17",
    ]);
  });

  test("asks to remove an exception when its dependency is in use", async () => {
    expect(await deadCodeProblems(wrong("stale-exception"))).toEqual([
      "commander knip.json Remove from ignoreDependencies",
    ]);
  });
});

describe("the layers check", () => {
  test("reports each forbidden import and each impure name, and nothing else", () => {
    expect(layerProblems(wrong("layers"))).toEqual([
      "src/attic/old.ts: attic is not a layer of the table",
      "src/cli/doors.ts:2: cli may not import admin",
      "src/cli/doors.ts:3: src/node/main.ts is a process: nothing imports it",
      "src/cli/doors.ts:5: cli may not import admin",
      "src/domain/right.test.ts:4: src/store/inner.ts is not a door: use index.ts",
      "src/domain/wrong.ts:1: node:fs/promises in the pure layer domain",
      "src/domain/wrong.ts:2: the table does not let domain use the package fastify",
      "src/domain/wrong.ts:3: src/kit/hex.ts is not a door: use index.ts",
      "src/domain/wrong.ts:4: domain may not import planning",
      "src/domain/wrong.ts:5: scripts/ensure.mjs is outside src",
      "src/domain/wrong.ts:6: path: write node:path",
      "src/domain/wrong.ts:7: domain may not import planning",
      "src/domain/wrong.ts:17: domain may not import store",
      "src/domain/wrong.ts:11: Date.now in the pure layer domain",
      "src/domain/wrong.ts:12: new Date in the pure layer domain",
      "src/domain/wrong.ts:14: Math.random in the pure layer domain",
      "src/domain/wrong.ts:15: globalThis in the pure layer domain",
      "src/domain/wrong.ts:16: setTimeout in the pure layer domain",
      "src/domain/wrong.ts:16: process.exit in the pure layer domain",
      "src/domain/wrong.ts:16: Buffer.length in the pure layer domain",
    ]);
  });
});

describe("the reachability check", () => {
  test("shows the way to signing code, and misses an entry that does not exist", () => {
    expect(reachabilityProblems(wrong("reachability"))).toEqual([
      "src/node/main.ts reaches what it must not have: " +
        "src/node/main.ts -> src/node/connect.ts -> src/keys/index.ts -> src/keys/signing-pool-worker.ts",
      "src/gateway/main.ts: the table names it and it does not exist",
    ]);
  });
});

describe("the layer graph check", () => {
  test("reports a graph that is not the table's", () => {
    expect(layerGraphProblems(wrong("layer-graph"))).toEqual([
      "ARCHITECTURE.md: the graph is not the table's: npm run check -- --write redraws it",
    ]);
  });
});

describe("the sizes check", () => {
  test("reports excess, growth and exceptions that are not needed, and keeps to the limits", async () => {
    expect(await sizeProblems(wrong("sizes"))).toEqual([
      "src/grew.ts grew from 502 to 503 lines",
      "src/large.ts has 501 lines: divide it",
      "src/shrank.ts shrank: lower 600 to 510 in test/architecture/size-exceptions.json",
      "src/long-function.ts#long has 61 lines: divide it",
      "src/small.ts is no longer too large: remove it from test/architecture/size-exceptions.json",
    ]);
  });
});

describe("the file names check", () => {
  test("reports drawers and names that are not kebab-case", () => {
    expect(fileNameProblems(wrong("file-names"))).toEqual([
      'src/helpers/some.ts: "helpers" does not say what is in it',
      'src/kit/camelCase.ts: "camelCase.ts" is not kebab-case',
      'src/kit/utils.ts: "utils.ts" does not say what is in it',
    ]);
  });
});

describe("the folder readmes check", () => {
  test("reports a layer without a readme, and one that is too long", () => {
    expect(folderReadmeProblems(wrong("folder-readmes"))).toEqual([
      "src/long/README.md has 11 lines, at most 10 are read",
      "src/none/README.md does not exist",
    ]);
  });
});

describe("the links check", () => {
  test("reports pages, headings, paths and names that do not exist, outside of code blocks", () => {
    expect(linkProblems(wrong("links"))).toEqual([
      "README.md:14: docs/gone.md does not exist",
      "README.md:14: docs/page.md#gone: no such heading",
      "README.md:14: #twice-2: no such heading",
      "README.md:15: absent is not in src/kit/there.ts",
      "README.md:14: src/kit/gone.ts does not exist",
      "README.md:14: src/*/gone.ts does not exist",
    ]);
  });
});

describe("the error codes check", () => {
  test("reports every difference from the page, and statuses that cannot be used", async () => {
    const found = await errorsPageProblems(wrong("error-codes"));
    expect(found.map((problem) => problem.replace(/ \(npm run.*/, ""))).toEqual([
      "reworded and twice have the same exit status 5",
      "shell: 127 is not ours to use",
      "added is not in docs/errors.md",
      "moved has exit status 4, docs/errors.md says 8",
      "reworded has another meaning in docs/errors.md",
      "removed is in docs/errors.md and not in the registry",
    ]);
  });
});

describe("the forbidden text check", () => {
  test("reports machine paths, unnumbered notes, foreign registries and merge conflicts", () => {
    const found = forbiddenTextProblems(wrong("forbidden-text"));
    expect(found.map((problem) => problem.replace(/: .*: /, ": "))).toEqual([
      "notes.md:1: a merge conflict",
      "notes.md:3: a merge conflict",
      "package-lock.json:1: a package from one machine's registry",
      "src/wrong.ts:1: a path of one machine",
      "src/wrong.ts:2: left to do without an issue, as in (#12)",
    ]);
  });
});
