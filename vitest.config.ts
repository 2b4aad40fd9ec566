import { defineConfig } from "vitest/config";

const globalSetup = ["test/support/no-leftovers.ts"];

export default defineConfig({
  test: {
    passWithNoTests: true,
    maxWorkers: 2,
    globalSetup,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: [
            "src/**/*.test.ts",
            "test/architecture/**/*.test.ts",
            "test/history/**/*.test.ts",
            "test/simulators/**/*.test.ts",
          ],
          // Some start a database server, and a busy machine takes its time.
          testTimeout: 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      ...["integration", "sim"].map((name) => ({
        extends: true as const,
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      })),
      ...["scenarios", "long"].map((name) => ({
        extends: true as const,
        test: {
          name,
          include: [`test/${name}/**/*.test.ts`],
          globalSetup: [...globalSetup, "test/support/built-programs.ts"],
          // Several domains of real processes: each scenario mostly waits for its own.
          maxWorkers: name === "long" ? 1 : 2,
          testTimeout: name === "long" ? 3_600_000 : 180_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      })),
    ],
  },
});
