import { test } from "vitest";
import { crashEverywhere, rollBackEverywhere, smallRotation } from "../sim/every-point.ts";
import { defaultRuns, playRandomHistories } from "../sim/random-histories.ts";

test("nothing goes dark in ten times as many random histories", async () => {
  await playRandomHistories(10 * defaultRuns);
});

test("a rotation with cross-certificates survives a crash before any one of its effects", async () => {
  await crashEverywhere(smallRotation(true));
});

test("a rotation with cross-certificates goes back from any one of its effects", async () => {
  await rollBackEverywhere(smallRotation(true));
});
