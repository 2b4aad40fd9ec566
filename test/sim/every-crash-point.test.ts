import { test } from "vitest";
import { crashEverywhere, smallRotation } from "./every-point.ts";

// Without cross-certificates nothing but loaded trust lets anybody in; test/long has the other kind.
test("a rotation is safe and completes when a process crashes before any one of its effects", async () => {
  await crashEverywhere(smallRotation(false));
}, 400_000);
