import { describe, expect, test } from "vitest";
import { maySign, type AuthorityStatus, type SigningPurpose } from "./authority.ts";

describe("maySign", () => {
  const allowed: Record<AuthorityStatus, SigningPurpose[]> = {
    next: ["probe"],
    current: ["new-request", "renewal-or-rollback", "probe"],
    previous: ["renewal-or-rollback", "probe"],
    retired: [],
    restored: [],
    abandoned: [],
  };
  const purposes: SigningPurpose[] = ["new-request", "renewal-or-rollback", "probe"];
  const cells = Object.entries(allowed).flatMap(([status, may]) =>
    purposes.map((purpose) => [status as AuthorityStatus, purpose, may.includes(purpose)] as const),
  );

  test.each(cells)("for an authority that is %s, a %s is allowed: %s", (status, purpose, may) => {
    expect(maySign(status, purpose)).toBe(may);
  });
});
