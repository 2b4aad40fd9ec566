import { describe, expect, test } from "vitest";
import { testMember, testService } from "../../test/support/topologies.ts";
import type { Member, Service } from "./service.ts";
import { checkService } from "./service-rules.ts";

const three = [1, 2, 3].map((number) => testMember(number));

function check(changes: Partial<Service>, members: readonly Member[] = three): void {
  checkService(testService(changes), members);
}

describe("checkService", () => {
  test("takes a cluster of three, a pair of two, one replica and a cluster of pairs", () => {
    check({});
    check({ shape: "pair" }, three.slice(0, 2));
    check({ shape: "replicas" }, three.slice(0, 1));
    check(
      {},
      ["A", "A", "B", "B"].map((pair, i) => testMember(i + 1, { pair })),
    );
  });

  test.each<[string, Partial<Service>, readonly Member[], string]>([
    ["a pair of three", { shape: "pair" }, three, "has 3 members: a pair has two"],
    ["a pair of one", { shape: "pair" }, three.slice(0, 1), "has 1 members: a pair has at least 2"],
    ["a name twice", {}, [testMember(1), testMember(1)], "has two members named cache-1"],
    [
      "two of three away at once in a cluster",
      { maxUnavailable: 2 },
      three,
      "lets 2 of 3 members be away at once: at most 1 may",
    ],
    [
      "every replica away at once",
      { shape: "replicas", maxUnavailable: 3 },
      three,
      "lets 3 of 3 members be away at once: at most 2 may",
    ],
    [
      "pairs among replicas",
      { shape: "replicas" },
      three.map((member) => ({ ...member, pair: "A" })),
      "names pairs of its members: only those of a cluster have them",
    ],
    ["half a pair", {}, [testMember(1, { pair: "A" })], "has 1 members in its pair A"],
  ])("refuses %s", (_, changes, members, text) => {
    expect(() => check(changes, members)).toThrow(
      expect.objectContaining({ message: expect.stringContaining(`service cache ${text}`) }),
    );
  });

  test("refuses names that are none, of the service, of members, and in certificates", () => {
    expect(() => check({ name: "a/b" })).toThrow(/service name "a\/b"/);
    expect(() => check({}, [testMember(1, { name: "" })])).toThrow(/member name ""/);
    expect(() => check({ dnsNames: ["no name"] })).toThrow(
      /"no name" in dnsNames of service cache/,
    );
  });
});
