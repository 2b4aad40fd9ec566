import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { HostId } from "../kit/index.ts";
import { formatSpiffeId, isRole, parseSpiffeId, type Role } from "./roles.ts";

describe("isRole", () => {
  test("knows the three roles of processes and no other kind of caller", () => {
    const words = ["anm", "nm", "gateway", "user", "joiner", "ANM", ""];
    expect(words.filter(isRole)).toEqual(["anm", "nm", "gateway"]);
  });
});

describe("parseSpiffeId", () => {
  test("reads back what formatSpiffeId writes, whatever it says", () => {
    const ids = fc.record({
      trustDomain: fc.stringMatching(/^[a-z0-9._-]{1,60}$/),
      role: fc.constantFrom<Role>("anm", "nm", "gateway"),
      subject: fc.stringMatching(/^[A-Za-z0-9._-]{1,60}$/).map((text) => text as HostId),
    });
    fc.assert(
      fc.property(ids, (id) => {
        expect(parseSpiffeId(formatSpiffeId(id))).toEqual(id);
      }),
    );
  });

  test.each([
    "",
    "https://d.example/nm/host-1",
    "spiffe://d.example/nm/host-1/",
    "spiffe://d.example/nm/host-1/extra",
    "spiffe://d.example/nm/host-1?x",
    "spiffe://d.example/nm/host-1#x",
    "spiffe://d.example//host-1",
    "spiffe://d.example/nm/",
    "spiffe://d.example/admin/host-1",
    "spiffe://d.example/NM/host-1",
    "spiffe://D.example/nm/host-1",
    "spiffe://d.example:443/nm/host-1",
    "spiffe://user@d.example/nm/host-1",
    "spiffe:///nm/host-1",
    "SPIFFE://d.example/nm/host-1",
    " spiffe://d.example/nm/host-1",
    "spiffe://d.example/nm/host-1\n",
    "spiffe://d.example/nm/h%6Fst-1",
    `spiffe://d.example/nm/${"x".repeat(256)}`,
  ])("refuses what is only nearly right: %j", (uri) => {
    expect(parseSpiffeId(uri)).toBeUndefined();
  });
});
