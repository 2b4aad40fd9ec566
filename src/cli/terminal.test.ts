import { describe, expect, test } from "vitest";
import { isYes } from "./terminal.ts";

describe("isYes", () => {
  test.each(["y", "Y", "yes", " Yes "])(
    "takes %j when it is asked for a confirmation",
    (answer) => {
      expect(isYes(answer)).toBe(true);
    },
  );

  test.each(["", "n", "no", "ye", "yesterday", "yy"])("refuses %j when it is asked", (answer) => {
    expect(isYes(answer)).toBe(false);
  });
});
