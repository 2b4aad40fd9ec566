import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  clusterStatus,
  nowMs,
  pairStatus,
  primary,
  seen,
  service,
  standby,
} from "../../test/support/seen-members.ts";
import type { ProcessId } from "../kit/index.ts";
import type { SeenMember } from "./member-report.ts";
import type { HighAvailabilityStatus, MemberStatus } from "./member-status.ts";
import type { Service } from "./service.ts";
import { serviceVerdict, type ServiceHealth } from "./service-verdict.ts";

const codesOf = (of: Service, members: readonly SeenMember[]): [ServiceHealth, string[]] => {
  const { health, findings } = serviceVerdict(of, members, nowMs);
  return [health, [...new Set(findings.map(({ code }) => code))].toSorted()];
};

const hadisabled = "HADISABLED/HADISABLED 0/0 0";

type Step = readonly [
  when: string,
  a: string | null,
  b: string | null,
  health: ServiceHealth,
  codes: readonly string[],
];

/** What was measured on real servers, moment by moment. */
const timelines: Readonly<Record<string, readonly Step[]>> = {
  "a good pairing": [
    ["both are away", null, null, "down", ["member-not-answering", "no-primary"]],
    [
      "they search",
      "UNSYNC/UNSYNC 0/0",
      "UNSYNC/UNSYNC 0/0",
      "down",
      ["no-primary", "not-synchronised"],
    ],
    [
      "they synchronise",
      "PRIMARY/UNSYNC 2/1 1",
      "UNSYNC/UNSYNC 2/0",
      "degraded",
      ["no-standby", "not-synchronised", "pair-views-differ"],
    ],
    ["they are a pair", "PRIMARY/PRIMARY 2/2", "STANDBY/UNSYNC 2/2", "good", []],
  ],
  "a primary that is killed": [
    ["before", "PRIMARY/PRIMARY 2/2", "STANDBY/UNSYNC 2/2", "good", []],
    [
      "half a second later",
      null,
      "PRIMARY/STANDBY 1/1",
      "degraded",
      ["member-not-answering", "no-standby", "not-synchronised"],
    ],
    [
      "it comes back",
      "UNSYNC/UNSYNC 2/0",
      "PRIMARY/PRIMARY 2/1 1",
      "degraded",
      ["no-standby", "not-synchronised", "pair-views-differ"],
    ],
    ["as standby", "STANDBY/UNSYNC 2/2", "PRIMARY/PRIMARY 2/2", "good", []],
  ],
  "a split brain, and its end": [
    ["before", "PRIMARY/PRIMARY 2/2", "STANDBY/UNSYNC 2/2", "good", []],
    [
      "the links are cut",
      "PRIMARY/PRIMARY 1/1",
      "PRIMARY/STANDBY 1/1",
      "degraded",
      ["double-primary", "not-synchronised"],
    ],
    ["they are healed", hadisabled, hadisabled, "down", ["member-in-maintenance", "no-primary"]],
  ],
  "a standby with credentials that its primary does not trust": [
    [
      "it searches",
      "PRIMARY/PRIMARY 1/1",
      "UNSYNC/UNSYNC 0/0",
      "degraded",
      ["no-standby", "not-synchronised", "pair-not-connected", "pair-views-differ"],
    ],
    [
      "after DiscoveryTimeout",
      "PRIMARY/PRIMARY 1/1",
      hadisabled,
      "degraded",
      ["member-in-maintenance", "no-standby", "not-synchronised"],
    ],
  ],
};

describe.each(Object.entries(timelines))("%s", (_, steps) => {
  test.each(steps)("%s", (_when, a, b, health, codes) => {
    const members = [
      seen("a", a === null ? null : pairStatus(a)),
      seen("b", b === null ? null : pairStatus(b)),
    ];
    expect(codesOf(service("pair"), members)).toEqual([health, [...codes]]);
  });
});

test("a member that is not heard of leaves its pair degraded while the other is active, else unknown", () => {
  const late = { ageMs: 61_000 };
  expect(codesOf(service("pair"), [seen("a", primary), seen("b", standby, late)])).toEqual([
    "degraded",
    ["member-silent"],
  ]);
  expect(codesOf(service("pair"), [seen("a", primary, late), seen("b", standby)])).toEqual([
    "unknown",
    ["member-silent", "no-primary"],
  ]);
  const never = { ...seen("a", null), observation: null, receivedAtMs: null };
  expect(codesOf(service("pair"), [never, seen("b", standby)])[0]).toBe("unknown");
});

test("a member in maintenance says why, where its server does", () => {
  const text = (status: MemberStatus): string =>
    serviceVerdict(service("pair"), [seen("a", primary), seen("b", status)], nowMs)
      .findings.filter(({ code }) => code === "member-in-maintenance")
      .map(({ text }) => text)
      .join();
  expect(text(pairStatus(hadisabled))).toContain("as after a split-brain");
  expect(text(pairStatus(hadisabled, { errorCode: 509 }))).toContain("error 509");
  const held = pairStatus("UNKNOWN/UNKNOWN 0/0", { maintenance: true });
  expect(text(held)).toContain("somebody put it there");
});

test.each([
  ["error", "degraded"],
  ["warning", "good"],
  ["info", "good"],
] as const)(
  "an %s that an examination found leaves a pair %s, and is listed",
  (severity, health) => {
    const found = { code: "found", severity, subject: "member-a", text: "a: found" };
    const members = [seen("a", primary, { findings: [found] }), seen("b", standby)];
    expect(serviceVerdict(service("pair"), members, nowMs)).toEqual({ health, findings: [found] });
  },
);

test("groups that differ, and reasons, are findings", () => {
  const [a, b] = [primary, standby].map((status) => status.highAvailability);
  const members = [
    seen("a", { ...primary, highAvailability: { ...a, Group: "one" } as HighAvailabilityStatus }),
    seen("b", {
      ...standby,
      highAvailability: { ...b, ReasonCode: 7, ReasonString: " - GROUP_MISMATCH" } as never,
    }),
  ];
  expect(codesOf(service("pair"), members)).toEqual([
    "degraded",
    ["pair-groups-differ", "pair-reason"],
  ]);
});

test("a pair whose roles Gatehouse decides is degraded while another member is active", () => {
  const active = { member: "member-b" as ProcessId, by: "hand-over" } as const;
  const members = [seen("a", primary), seen("b", standby)];
  expect(codesOf(service("pair", { active }), members)).toEqual([
    "degraded",
    ["role-not-as-desired"],
  ]);
});

describe("a cluster of three", () => {
  const cluster = service("cluster");
  const three = (...all: (MemberStatus | null)[]): SeenMember[] =>
    all.map((status, i) => seen(["a", "b", "c"][i] ?? "d", status));

  test.each<[string, SeenMember[], ServiceHealth, string[]]>([
    ["all connected", three(...[0, 1, 2].map(() => clusterStatus(2, 0))), "good", []],
    [
      "one with new credentials",
      three(clusterStatus(1, 1), clusterStatus(1, 1), clusterStatus(0, 2)),
      "degraded",
      ["members-disconnected"],
    ],
    [
      "one that is down",
      three(clusterStatus(1, 1), clusterStatus(1, 1), null),
      "degraded",
      ["member-not-answering", "members-disconnected"],
    ],
    [
      "one that just started",
      three(clusterStatus(1, 1), clusterStatus(1, 1), clusterStatus(0, 2, { Status: "Discover" })),
      "degraded",
      ["cluster-not-active", "members-disconnected"],
    ],
    [
      "nobody connected with anybody",
      three(...[0, 1, 2].map(() => clusterStatus(0, 2))),
      "down",
      ["members-disconnected", "no-quorum"],
    ],
    [
      "one of another name",
      three(clusterStatus(1, 1), clusterStatus(1, 1), clusterStatus(0, 0, { Name: "other" })),
      "degraded",
      ["cluster-names-differ", "member-alone", "members-disconnected"],
    ],
    [
      "a server that nobody declared",
      three(...[0, 1, 2].map(() => clusterStatus(3, 0))),
      "degraded",
      ["unknown-servers"],
    ],
    [
      "two that are down",
      three(clusterStatus(0, 2), null, null),
      "down",
      ["member-not-answering", "members-disconnected", "no-quorum"],
    ],
  ])("with %s", (_, members, health, codes) => {
    expect(codesOf(cluster, members)).toEqual([health, codes]);
  });

  test("with one host that is not heard of keeps its quorum; with two nobody knows", () => {
    const late = { ageMs: 61_000 };
    const members = three(clusterStatus(2, 0), clusterStatus(2, 0));
    expect(codesOf(cluster, [...members, seen("c", clusterStatus(2, 0), late)])).toEqual([
      "degraded",
      ["member-silent"],
    ]);
    const [first = seen("a", null)] = members;
    const others = ["b", "c"].map((name) => seen(name, clusterStatus(2, 0), late));
    expect(codesOf(cluster, [first, ...others])[0]).toBe("unknown");
  });

  test("that chooses a leader has exactly one", () => {
    const member = (role: MemberStatus["role"]): MemberStatus => ({
      role,
      members: null,
      connected: 2,
      synchronised: true,
    });
    const [leader, follower] = [member("active"), member("standby")];
    expect(codesOf(cluster, three(leader, follower, follower))).toEqual(["good", []]);
    expect(codesOf(cluster, three(leader, leader, follower))[1]).toEqual(["double-leader"]);
    expect(codesOf(cluster, three(follower, follower, follower))[1]).toEqual(["no-leader"]);
  });
});

describe("three pairs in a cluster", () => {
  const active = { ...primary, ...clusterStatus(2, 0), role: "active" } as const;
  const waiting = {
    ...standby,
    members: null,
    connected: null,
    cluster: clusterStatus(0, 0, { Status: "Standby" }).cluster,
  } as MemberStatus;
  const pairs = (first: SeenMember[]): SeenMember[] => [
    ...first,
    ...["p2", "p3"].flatMap((pair) => [
      seen(`${pair}a`, active, { pair }),
      seen(`${pair}b`, waiting, { pair }),
    ]),
  ];

  test("are good when each pair is, and their active members are connected", () => {
    const first = [seen("a", active, { pair: "p1" }), seen("b", waiting, { pair: "p1" })];
    expect(codesOf(service("cluster"), pairs(first))).toEqual(["good", []]);
  });

  test("are degraded when one pair has lost its standby, or all of itself", () => {
    const lone = seen("a", { ...active, synchronised: false }, { pair: "p1" });
    const gone = seen("b", null, { pair: "p1" });
    const degraded = codesOf(service("cluster"), pairs([lone, gone]));
    expect(degraded).toEqual([
      "degraded",
      ["member-not-answering", "no-standby", "not-synchronised"],
    ]);
    const both = [seen("a", null, { pair: "p1" }), gone];
    expect(codesOf(service("cluster"), pairs(both))[0]).toBe("degraded");
  });
});

test("replicas serve while one does, and those that cannot be asked are believed", () => {
  const replicas = service("replicas");
  expect(codesOf(replicas, [seen("a", null), seen("b", clusterStatus(0, 0))])[0]).toBe("degraded");
  expect(codesOf(replicas, [seen("a", null)])[0]).toBe("down");
  const driver = { ...replicas.driver, description: {} };
  expect(codesOf({ ...replicas, driver }, [seen("a", null)])[0]).toBe("good");
  const problem = "its files were changed";
  expect(codesOf({ ...replicas, driver }, [seen("a", null, { problem })])[0]).toBe("degraded");
});

const anyPairStatus: fc.Arbitrary<MemberStatus | null> = fc.option(
  fc
    .record({
      role: fc.constantFrom(
        "PRIMARY",
        "STANDBY",
        "UNSYNC",
        "UNSYNC_ERROR",
        "HADISABLED",
        "UNKNOWN",
      ),
      active: fc.integer({ min: 0, max: 2 }),
      sync: fc.integer({ min: 0, max: 2 }),
    })
    .map(({ role, active, sync }) => pairStatus(`${role}/UNSYNC ${active}/${sync}`)),
  { nil: null },
);
const anyClusterStatus = fc.option(
  fc
    .tuple(fc.nat(3), fc.nat(3), fc.constantFrom("Active", "Discover", "Error"))
    .map(([connected, disconnected, Status]) => clusterStatus(connected, disconnected, { Status })),
  { nil: null },
);
const anyAge = fc.constantFrom({}, { ageMs: 61_000 });

describe("no single report turns a service into a good one", () => {
  test("of a pair, when one member sees trouble or is silent, whatever the other one says", () => {
    fc.assert(
      fc.property(
        anyPairStatus,
        anyPairStatus,
        anyAge,
        fc.boolean(),
        (mine, others, age, isFirst) => {
          const own = seen("a", mine, age);
          const isWell = mine?.synchronised === true && !mine.maintenance && !("ageMs" in age);
          fc.pre(!isWell || mine.role === "unknown");
          const members = [own, seen("b", others)];
          const [health] = codesOf(service("pair"), isFirst ? members : members.toReversed());
          expect(health).not.toBe("good");
        },
      ),
    );
  });

  test("of a pair, when both say that they are active, or neither does, however well they feel", () => {
    fc.assert(
      fc.property(anyPairStatus, anyPairStatus, (a, b) => {
        const active = [a, b].filter((status) => status?.role === "active").length;
        fc.pre(active !== 1);
        expect(codesOf(service("pair"), [seen("a", a), seen("b", b)])[0]).not.toBe("good");
      }),
    );
  });

  test("of a cluster, when one member misses another, whatever two others say", () => {
    fc.assert(
      fc.property(anyClusterStatus, anyClusterStatus, anyClusterStatus, (a, b, c) => {
        fc.pre(a === null || a.connected !== 2 || a.cluster?.Status !== "Active");
        const members = [seen("a", a), seen("b", b), seen("c", c)];
        expect(codesOf(service("cluster"), members)[0]).not.toBe("good");
      }),
    );
  });
});

test("replicas are down when none of them runs, and what a silent host said last is no news", () => {
  const replicas = service("replicas");
  const status = { role: null, members: null, connected: null, synchronised: null };
  const running = seen("a", status);
  const failed: SeenMember = { ...running, state: "failed" };
  expect(codesOf(replicas, [failed, failed])).toEqual(["down", ["member-not-running"]]);
  expect(codesOf(replicas, [failed, running])).toEqual(["degraded", ["member-not-running"]]);
  const silent = { ...running, receivedAtMs: nowMs - 16_000 };
  expect(codesOf(replicas, [silent, running])).toEqual(["degraded", ["member-silent"]]);
});
