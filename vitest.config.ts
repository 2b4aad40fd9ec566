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
          include: ["src/**/*.test.ts", "test/architecture/**/*.test.ts"],
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
          maxWorkers: 1,
          testTimeout: name === "long" ? 3_600_000 : 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 2 },
        },
      })),
    ],
  },
});
