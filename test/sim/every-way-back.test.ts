import { test } from "vitest";
import { rollBackEverywhere, smallRotation } from "./every-point.ts";

test("a rotation is safe and ends when it is rolled back at any one of its effects", async () => {
  await rollBackEverywhere(smallRotation(false));
}, 400_000);
