import { describe, expect, test } from "vitest";
import type { AuthorityId, CredentialId, ProcessId } from "../kit/index.ts";
import type { Credential, EdgeProof } from "../domain/index.ts";
import { testNowMs } from "../../test/support/certificates.ts";
import {
  blockers,
  changeProcess,
  epoch,
  next,
  silent,
  topology,
  waiver,
  withHost,
  withParty,
  type Change,
} from "../../test/support/gates.ts";
import {
  appliedStep,
  foreignCertificate,
  presentedCredential,
  settledSnapshot,
  testAuthority,
  testCredential,
  testStep,
} from "../../test/support/snapshots.ts";
import { testHost, testParty } from "../../test/support/topologies.ts";
import { blockersOf } from "./gate.ts";
import type { Condition } from "./plan.ts";
import type { Waiver } from "./rollout.ts";
import { arrangeEvidence, type DomainSnapshot } from "./snapshot.ts";

describe("trust-loaded", () => {
  const condition = { require: "trust-loaded" } as const;

  test("holds when every process and relying party has loaded the step's epoch", () => {
    expect(blockers(condition, settledSnapshot(topology))).toEqual([]);
    expect(blockers(condition, settledSnapshot(topology, {}, epoch + 1))).toEqual([]);
  });

  test.each<[string, DomainSnapshot, string[]]>([
    ["a silent host", withHost(2, silent), ["host-silent host-2"]],
    [
      "a host that never reported",
      { ...settledSnapshot(topology), hosts: settledSnapshot(topology).hosts.slice(0, 1) },
      ["host-silent host-2", "trust-not-loaded instance-1", "trust-not-loaded nodemanager-2"],
    ],
    [
      "a Node Manager with an earlier epoch",
      withHost(2, changeProcess("nodemanager-2", { loadedEpoch: 4 })),
      ["trust-not-loaded nodemanager-2"],
    ],
    [
      "the Admin Node Manager's own process with an earlier epoch",
      withHost(1, changeProcess("nodemanager-1.admin", { loadedEpoch: 4 })),
      ["trust-not-loaded nodemanager-1.admin"],
    ],
    [
      "an Admin Node Manager's process of which nothing is known",
      withHost(1, (h) => ({
        ...h,
        processes: h.processes.filter((p) => !p.id.endsWith(".admin")),
      })),
      ["trust-not-loaded nodemanager-1.admin"],
    ],
    [
      "a running instance with newer files and an earlier epoch loaded",
      withHost(2, changeProcess("instance-1", { loadedEpoch: 4 })),
      ["trust-not-loaded instance-1"],
    ],
    [
      "an instance that is starting",
      withHost(2, changeProcess("instance-1", { state: "starting", loadedEpoch: null })),
      ["trust-not-loaded instance-1"],
    ],
    [
      "a stopped instance with older files",
      withHost(
        2,
        changeProcess("instance-1", { state: "stopped", loadedEpoch: null, filesEpoch: 4 }),
      ),
      ["trust-not-loaded instance-1"],
    ],
    [
      "a relying party with an earlier epoch",
      withParty({ loadedEpoch: 4 }),
      ["trust-not-loaded relying-party-1"],
    ],
    [
      "a silent relying party",
      withParty({ receivedAtMs: testNowMs - 15_001 }),
      ["relying-party-silent relying-party-1"],
    ],
  ])("is held back by %s", (_, snapshot, expected) => {
    expect(blockers(condition, snapshot)).toEqual(expected);
  });

  test.each<[string, DomainSnapshot]>([
    [
      "a stopped instance whose files are new",
      withHost(2, changeProcess("instance-1", { state: "stopped", loadedEpoch: null })),
    ],
    [
      "a failed instance whose files are new",
      withHost(2, changeProcess("instance-1", { state: "failed", loadedEpoch: null })),
    ],
    [
      "a host heard of just in time",
      withHost(2, (h) => ({ ...h, receivedAtMs: testNowMs - 15_000 })),
    ],
    [
      "a quarantined host",
      withHost(
        2,
        silent,
        settledSnapshot({
          ...topology,
          hosts: [testHost(1), testHost(2, { status: "quarantined" })],
        }),
      ),
    ],
  ])("is not held back by %s", (_, snapshot) => {
    expect(blockers(condition, snapshot)).toEqual([]);
  });

  test("passes over a waived host with all that is on it, and a waived relying party", () => {
    const late = withHost(2, (host) =>
      changeProcess("instance-1", { loadedEpoch: 4 })(
        changeProcess("nodemanager-2", { loadedEpoch: 4 })(silent(host)),
      ),
    );
    expect(blockers(condition, late, [waiver("host-2")])).toEqual([]);
    const party = withParty({ loadedEpoch: 4, receivedAtMs: 0 });
    expect(blockers(condition, party, [waiver("relying-party-1")])).toEqual([]);
  });

  test.each<[string, Waiver]>([
    ["of another phase", waiver("host-2", { phase: "retire" })],
    ["that has lapsed", waiver("host-2", { endsAtMs: testNowMs })],
    ["of another host", waiver("host-1")],
  ])("takes no waiver %s", (_, given) => {
    expect(blockers(condition, withHost(2, silent), [given])).toEqual(["host-silent host-2"]);
  });
});

describe("edges-proven", () => {
  const authorities = [
    testAuthority("management", 1),
    testAuthority("management", 2, { status: "next" }),
    testAuthority("traffic", 2, { status: "next" }),
  ];
  const management = { require: "edges-proven", authorities: [next] } as const;
  const traffic = { require: "edges-proven", authorities: ["traffic-2" as AuthorityId] } as const;
  const pairs = [
    ["nodemanager-1", "nodemanager-1.admin", 1],
    ["nodemanager-1.admin", "nodemanager-1", 1],
    ["nodemanager-1.admin", "nodemanager-2", 1],
    ["nodemanager-2", "nodemanager-1.admin", 2],
    ["nodemanager-2", "instance-1", 2],
    ["instance-1", "nodemanager-2", 2],
  ] as const;

  function proof(verifier: string, presenter: string, changes: Partial<EdgeProof> = {}): EdgeProof {
    return {
      verifier: verifier as ProcessId,
      presenter: presenter as ProcessId,
      authorityId: next,
      verifierEpoch: epoch,
      atMs: 0,
      ...changes,
    };
  }

  /** Every management edge proven by its verifier's host, but for those that `without` names. */
  function proven(without = "", base = settledSnapshot(topology, { authorities })): DomainSnapshot {
    const hosts = base.hosts.map((host) => ({
      ...host,
      proofs: pairs
        .filter(([verifier, presenter]) => `${verifier} ${presenter}` !== without)
        .filter(([, , number]) => host.hostId === `host-${number}`)
        .map(([verifier, presenter]) => proof(verifier, presenter)),
    }));
    return { ...base, hosts };
  }

  test("holds when each verifier has proven each presenter", () => {
    expect(blockers(management, proven())).toEqual([]);
  });

  test.each(pairs)("is held back when %s has not proven %s", (verifier, presenter) => {
    expect(blockers(management, proven(`${verifier} ${presenter}`))).toEqual([
      `edge-not-proven ${verifier} ${presenter}`,
    ]);
  });

  const withProof = (host: number, given: EdgeProof): DomainSnapshot =>
    withHost(
      host,
      (h) => ({ ...h, proofs: [...h.proofs, given] }),
      proven("instance-1 nodemanager-2"),
    );

  test.each<[string, DomainSnapshot]>([
    [
      "with an earlier epoch",
      withProof(2, proof("instance-1", "nodemanager-2", { verifierEpoch: 4 })),
    ],
    [
      "under another authority",
      withProof(
        2,
        proof("instance-1", "nodemanager-2", { authorityId: "management-1" as AuthorityId }),
      ),
    ],
    ["by another host than the verifier's", withProof(1, proof("instance-1", "nodemanager-2"))],
    ["in the other direction", withProof(2, proof("nodemanager-2", "instance-1"))],
  ])("does not take a proof %s", (_, snapshot) => {
    expect(blockers(management, snapshot)).toEqual(["edge-not-proven instance-1 nodemanager-2"]);
  });

  test("takes the highest epoch of several proofs of an edge", () => {
    const given = proof("instance-1", "nodemanager-2", { verifierEpoch: 3 });
    const snapshot = withHost(2, (h) => ({ ...h, proofs: [...h.proofs, given] }), proven());
    expect(blockers(management, snapshot)).toEqual([]);
  });

  test("asks nothing of edges of an instance that does not run", () => {
    const base = withHost(2, changeProcess("instance-1", { state: "stopped" }), proven());
    const snapshot = withHost(
      2,
      (h) => ({
        ...h,
        proofs: h.proofs.filter((p) => p.verifier !== "instance-1" && p.presenter !== "instance-1"),
      }),
      base,
    );
    expect(blockers(management, snapshot)).toEqual([]);
  });

  test("asks nothing of edges of a waived host", () => {
    const snapshot = withHost(2, (h) => ({ ...h, proofs: [] }), proven());
    expect(blockers(management, snapshot)).toHaveLength(3);
    expect(blockers(management, snapshot, [waiver("host-2")])).toEqual([]);
  });

  test("wants a relying party's own proof of each traffic listener", () => {
    const base = settledSnapshot(topology, { authorities });
    const given = proof("relying-party-1", "instance-1", {
      authorityId: "traffic-2" as AuthorityId,
    });
    const byItself = {
      ...base,
      relyingParties: base.relyingParties.map((p) => ({ ...p, proofs: [given] })),
    };
    const byHost = withHost(2, (h) => ({ ...h, proofs: [given] }), base);
    const others = byItself.relyingParties.map((party) => ({ ...party, id: testParty(2).id }));
    const byAnother = { ...base, relyingParties: [...base.relyingParties, ...others] };
    const expected = ["edge-not-proven relying-party-1 instance-1"];
    expect(blockers(traffic, base)).toEqual(expected);
    expect(blockers(traffic, byHost)).toEqual(expected);
    expect(blockers(traffic, byAnother)).toEqual(expected);
    expect(blockers(traffic, byItself)).toEqual([]);
    expect(blockers(traffic, base, [waiver("relying-party-1")])).toEqual([]);
  });
});

const instanceManagement = "instance-1/management" as CredentialId;

/** The settled domain in which one credential is wanted anew, and what is observed of it. */
function wanting(
  desired: Partial<Credential["desired"]>,
  observed: { authorityId: string; sequence: number; isSeen?: boolean } | null,
): DomainSnapshot {
  const base = settledSnapshot(topology);
  const credentials = base.credentials.map((credential) =>
    credential.id === instanceManagement
      ? { ...credential, desired: { ...credential.desired, ...desired } }
      : credential,
  );
  const change: Change = (host) => ({
    ...host,
    credentials: host.credentials.flatMap((c) => {
      if (c.id !== instanceManagement) return [c];
      return observed === null ? [] : [presentedCredential(c, observed)];
    }),
  });
  return withHost(2, change, { ...base, credentials });
}

describe.each<[string, Condition]>([
  ["presented", { require: "presented", credentials: [instanceManagement] }],
  ["all-presented", { require: "all-presented", usages: ["management"] }],
])("%s", (_, condition) => {
  test("holds when what is desired is installed and was seen on the wire", () => {
    expect(blockers(condition, settledSnapshot(topology))).toEqual([]);
  });

  test.each<[string, DomainSnapshot, string]>([
    ["nothing is installed", wanting({}, null), "not-installed"],
    [
      "an older sequence is installed",
      wanting({ minSequence: 2 }, { authorityId: "management-1", sequence: 1 }),
      "not-installed",
    ],
    [
      "a newer sequence than a rollback wants is installed",
      wanting({ maxSequence: 1 }, { authorityId: "management-1", sequence: 2 }),
      "not-installed",
    ],
    [
      "one of another authority is installed",
      wanting({}, { authorityId: "management-2", sequence: 1 }),
      "not-installed",
    ],
    [
      "it was not seen on the wire",
      wanting({}, { authorityId: "management-1", sequence: 1, isSeen: false }),
      "not-presented",
    ],
  ])("is held back when %s", (_why, snapshot, code) => {
    expect(blockers(condition, snapshot)).toEqual([`${code} ${instanceManagement}`]);
  });

  test("is held back when another serial was seen than the installed one", () => {
    const snapshot = withHost(2, (host) => ({
      ...host,
      credentials: host.credentials.map((c) =>
        c.seenOnWire === null
          ? c
          : { ...c, seenOnWire: { ...c.seenOnWire, serial: "an earlier one" } },
      ),
    }));
    expect(blockers(condition, snapshot)).toContain(`not-presented ${instanceManagement}`);
  });

  test("asks only for the files of an instance that does not run", () => {
    const unseen = wanting({}, { authorityId: "management-1", sequence: 1, isSeen: false });
    const stopped = withHost(2, changeProcess("instance-1", { state: "stopped" }), unseen);
    expect(blockers(condition, stopped)).toEqual([]);
    const none = withHost(2, changeProcess("instance-1", { state: "stopped" }), wanting({}, null));
    expect(blockers(condition, none)).toEqual([`not-installed ${instanceManagement}`]);
  });

  test("passes over a waived or quarantined host", () => {
    const snapshot = wanting({}, null);
    expect(blockers(condition, snapshot, [waiver("host-2")])).toEqual([]);
    const hosts = [testHost(1), testHost(2, { status: "quarantined" })];
    expect(blockers(condition, { ...snapshot, topology: { ...topology, hosts } })).toEqual([]);
  });
});

describe("presented", () => {
  test("asks nothing of other credentials, nor of one that was deleted", () => {
    const other = {
      require: "presented",
      credentials: ["nodemanager-2/management" as CredentialId],
    } as const;
    expect(blockers(other, wanting({}, null))).toEqual([]);
    const deleted = {
      require: "presented",
      credentials: ["instance-9/traffic" as CredentialId],
    } as const;
    expect(blockers(deleted, settledSnapshot(topology))).toEqual([]);
  });
});

describe("all-presented", () => {
  const condition = { require: "all-presented", usages: ["management"] } as const;

  test("is held back by a credential under an authority that is not current any more", () => {
    const authorities = [
      testAuthority("management", 1, { status: "previous" }),
      testAuthority("management", 2),
    ];
    const credentials = [
      testCredential("nodemanager-1" as ProcessId, "management", {
        desired: { authorityId: next, minSequence: 1, maxSequence: null },
      }),
      testCredential("instance-1" as ProcessId, "management", { hostId: testHost(2).id }),
    ];
    const snapshot = settledSnapshot(topology, { authorities, credentials });
    expect(blockers(condition, snapshot)).toEqual([`under-old-authority ${instanceManagement}`]);
    expect(blockers(condition, snapshot, [waiver("host-2")])).toEqual([]);
  });

  test("counts a newcomer that the plan did not know", () => {
    const newcomer = testCredential("instance-2" as ProcessId, "management", {
      hostId: testHost(2).id,
    });
    const base = settledSnapshot(topology);
    const snapshot = { ...base, credentials: [...base.credentials, newcomer] };
    expect(blockers(condition, snapshot)).toEqual(["not-installed instance-2/management"]);
  });

  test("asks nothing of the other usage", () => {
    const newcomer = testCredential("instance-2" as ProcessId, "traffic", {
      hostId: testHost(2).id,
    });
    const base = settledSnapshot(topology);
    expect(blockers(condition, { ...base, credentials: [...base.credentials, newcomer] })).toEqual(
      [],
    );
  });
});

describe("old-connections-closed", () => {
  const condition = { require: "old-connections-closed" } as const;

  test.each([
    ["of this epoch", epoch],
    ["of a later one", epoch + 1],
    ["of which none is open", null],
  ])("holds with connections %s", (_, oldestConnectionEpoch) => {
    const snapshot = withHost(2, changeProcess("instance-1", { oldestConnectionEpoch }));
    expect(blockers(condition, snapshot)).toEqual([]);
  });

  test("is held back by a process or relying party with an older connection", () => {
    const snapshot = withHost(2, changeProcess("instance-1", { oldestConnectionEpoch: 4 }));
    expect(blockers(condition, snapshot)).toEqual(["old-connection instance-1"]);
    expect(blockers(condition, snapshot, [waiver("host-2")])).toEqual([]);
    const party = withParty({ oldestConnectionEpoch: 0 });
    expect(blockers(condition, party)).toEqual(["old-connection relying-party-1"]);
    expect(blockers(condition, party, [waiver("relying-party-1")])).toEqual([]);
  });
});

describe("unmanaged-waived", () => {
  const condition = { require: "unmanaged-waived", subjects: ["unmanaged:traffic"] } as const;

  test("is held back until a person has answered, and again when the waiver lapses", () => {
    const snapshot = settledSnapshot(topology);
    const expected = ["unmanaged-not-waived unmanaged:traffic"];
    expect(blockers(condition, snapshot)).toEqual(expected);
    expect(blockers(condition, snapshot, [waiver("unmanaged:management")])).toEqual(expected);
    expect(blockers(condition, snapshot, [waiver("unmanaged:traffic")])).toEqual([]);
    const later = { ...snapshot, nowMs: testNowMs + 1 };
    expect(blockers(condition, later, [waiver("unmanaged:traffic")])).toEqual(expected);
  });

  test("is held back by the holder of a foreign certificate until that has ended, is denied or waived", () => {
    const foreign = [foreignCertificate("a1")];
    const snapshot = settledSnapshot(topology, { foreign });
    const subject = "certificate:a1";
    const held = { require: "unmanaged-waived", subjects: [subject] } as const;
    expect(blockers(held, snapshot)).toEqual([`unmanaged-not-waived ${subject}`]);
    expect(blockers(held, snapshot, [waiver(subject)])).toEqual([]);
    expect(blockers(held, { ...snapshot, nowMs: testNowMs + 1000 })).toEqual([]);
    const denied = [
      { kind: "certificate", fingerprint: "of a1", reason: "it has joined" },
    ] as const;
    const trust = { ...snapshot.trust, denied };
    expect(blockers(held, { ...snapshot, trust })).toEqual([]);
  });
});

describe("blockersOf", () => {
  test("names each thing once, though two conditions are held back by it", () => {
    const gate: Condition[] = [
      { require: "presented", credentials: [instanceManagement] },
      { require: "all-presented", usages: ["management"] },
      { require: "held-for", seconds: 9 },
    ];
    const found = blockersOf(
      appliedStep(testStep({ gate })),
      arrangeEvidence(wanting({}, null)),
      [],
    );
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ severity: "error", code: "not-installed" });
  });

  test("adds why the last try failed", () => {
    const snapshot = withHost(2, (host) => ({
      ...host,
      credentials: host.credentials.map((c) => ({ ...c, installed: null, lastError: "disk full" })),
    }));
    const gate = [{ require: "presented", credentials: [instanceManagement] }] as const;
    const [found] = blockersOf(appliedStep(testStep({ gate })), arrangeEvidence(snapshot), []);
    expect(found?.text).toContain("disk full");
  });
});
