import { test } from "vitest";
import { defaultRuns, msPerRunMax, playRandomHistories } from "./random-histories.ts";

test(
  "nothing goes dark and everything ends as desired in random histories with faults",
  async () => {
    await playRandomHistories(defaultRuns);
  },
  defaultRuns * msPerRunMax + 60_000,
);
