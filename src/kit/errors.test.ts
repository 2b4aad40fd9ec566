import { describe, expect, test } from "vitest";
import { DomainError, assert, describeError, isDomainError } from "./errors.ts";

describe("DomainError", () => {
  test("carries code, message, context and cause when they are given", () => {
    const cause = new Error("ENOSPC");
    const error = new DomainError("disk-full", "no space in home", { context: { free: 0 }, cause });
    expect(error).toMatchObject({
      name: "DomainError",
      code: "disk-full",
      message: "no space in home",
      context: { free: 0 },
      cause,
    });
  });

  test("has an empty context and no cause when none are given", () => {
    const error = new DomainError("conflict", "changed");
    expect(error.context).toEqual({});
    expect("cause" in error).toBe(false);
  });
});

describe("isDomainError", () => {
  test("tells DomainErrors from others, and one code from another", () => {
    const error: unknown = new DomainError("conflict", "changed");
    expect(isDomainError(error)).toBe(true);
    expect(isDomainError(error, "conflict")).toBe(true);
    expect(isDomainError(error, "timeout")).toBe(false);
    expect(isDomainError(Object.assign(new Error("changed"), { code: "conflict" }))).toBe(false);
  });
});

describe("describeError", () => {
  test("joins the chain of causes, outermost first, each message once", () => {
    const inner = new Error("connection refused");
    const middle = new Error("connection refused", { cause: inner });
    const outer = new DomainError("unreachable", "no answer from host-2", { cause: middle });
    expect(describeError(outer)).toBe("no answer from host-2: connection refused");
  });

  test("ends when a chain leads back to itself", () => {
    const error = new Error("round");
    error.cause = error;
    expect(describeError(error)).toBe("round");
  });

  test("shows what is thrown when it is no error", () => {
    expect(describeError(new Error("outer", { cause: "plain text" }))).toBe("outer: plain text");
  });
});

describe("assert", () => {
  test("throws a plain Error that names the invariant when it does not hold", () => {
    expect(() => assert(false, "epochs only grow")).toThrow("invariant broken: epochs only grow");
    expect(() => assert(1, "true enough")).not.toThrow();
  });
});
