import { describe, expect, test } from "vitest";
import type { AuthorityId, CredentialId, PlanId } from "../kit/index.ts";
import { testNowMs } from "../../test/support/certificates.ts";
import {
  foreignCertificate,
  settledSnapshot,
  testAuthority,
} from "../../test/support/snapshots.ts";
import { testHost, testInstance, testParty, testTopology } from "../../test/support/topologies.ts";
import { planReplaceLeaves, planRotateCa } from "./make-plan.ts";
import type { Plan } from "./plan.ts";
import type { DomainSnapshot } from "./snapshot.ts";

const topology = testTopology({
  hosts: [testHost(1), testHost(2)],
  instances: [testInstance(1, 1), testInstance(2, 2)],
});
const snapshot = settledSnapshot(topology);
const request = { id: "plan-1" as PlanId, createdBy: "user:admin" };

function rotation(
  usages: readonly ("management" | "traffic")[],
  of: DomainSnapshot = snapshot,
  subject = "CN=New",
): Plan {
  const successors = usages.map((usage) => ({
    usage,
    to: `${usage}-2` as AuthorityId,
    subject: `${subject} ${usage}`,
  }));
  return planRotateCa(of, { ...request, successors, observeSeconds: 60 });
}

const absent: DomainSnapshot = {
  ...snapshot,
  hosts: snapshot.hosts.map((host) =>
    host.hostId === "host-2" ? { ...host, receivedAtMs: testNowMs - 15_001 } : host,
  ),
};

describe("planRotateCa", () => {
  test("introduces before it issues, issues before it reissues, reissues before it retires", () => {
    const { steps } = rotation(["management"]);
    expect(steps.map(({ id, phase }) => [id, phase])).toEqual([
      ["prepare", "prepare"],
      ["introduce", "introduce"],
      ["issue", "issue"],
      ["reissue-1", "reissue"],
      ["reissue-2", "reissue"],
      ["reissue-3", "reissue"],
      ["reissue-rest", "reissue"],
      ["observe", "observe"],
      ["retire", "retire"],
      ["forget", "retire"],
    ]);
  });

  test("lets nobody present the new CA before everybody has proven that it trusts it", () => {
    const { steps } = rotation(["management"]);
    expect(steps.find(({ id }) => id === "introduce")).toMatchObject({
      edit: { do: "trust", authorities: ["management-2"] },
      gate: [
        { require: "trust-loaded" },
        { require: "edges-proven", authorities: ["management-2"] },
      ],
    });
  });

  test("retires only what nobody presents any more, after people have answered for callers outside", () => {
    const { steps } = rotation(["management", "traffic"]);
    expect(steps.find(({ id }) => id === "observe")?.gate).toEqual([
      { require: "trust-loaded" },
      { require: "all-presented", usages: ["management", "traffic"] },
      { require: "unmanaged-waived", subjects: ["unmanaged:management", "unmanaged:traffic"] },
      { require: "held-for", seconds: 60 },
    ]);
    expect(steps.find(({ id }) => id === "retire")).toMatchObject({
      edit: { do: "distrust", authorities: ["management-1", "traffic-1"], deny: false },
      gate: [
        { require: "trust-loaded" },
        { require: "old-connections-closed" },
        { require: "all-presented" },
      ],
    });
  });

  test("reissues every credential of the usage exactly once, each wave with a gate of its own", () => {
    const { steps, replaced } = rotation(["traffic"]);
    const waves = steps.flatMap(({ edit, gate }) =>
      edit.do === "reissue" ? [{ credentials: edit.credentials, gate }] : [],
    );
    expect(waves.flatMap(({ credentials }) => credentials)).toEqual(replaced);
    expect(replaced).toEqual(["instance-1/traffic", "instance-2/traffic"]);
    for (const { credentials, gate } of waves)
      expect(gate).toEqual([{ require: "presented", credentials }]);
  });

  test("says what it replaces, by what, and from which state of the domain it was computed", () => {
    expect(rotation(["management"])).toMatchObject({
      id: "plan-1",
      kind: "rotate-ca",
      title: "Rotate the management CA",
      parentRevision: 7,
      createdAtMs: testNowMs,
      createdBy: "user:admin",
      successions: [
        {
          usage: "management",
          from: "management-1",
          to: "management-2",
          subject: "CN=New management",
        },
      ],
    });
  });

  test("names the callers whose trust cannot be proven, for each usage", () => {
    expect(rotation(["management", "traffic"]).unprovable.map(({ subject }) => subject)).toEqual([
      "unmanaged:management",
      "unmanaged:traffic",
    ]);
  });

  test("names who has a foreign certificate of the old CA, and waits for each of them", () => {
    const foreign = [
      foreignCertificate("a1"),
      { ...foreignCertificate("b2"), authorityId: "traffic-1" as AuthorityId },
    ];
    const { unprovable, steps } = rotation(["management"], settledSnapshot(topology, { foreign }));
    const subjects = ["unmanaged:management", "certificate:a1"];
    expect(unprovable.map(({ subject }) => subject)).toEqual(subjects);
    expect(steps.find(({ id }) => id === "observe")?.gate).toContainEqual({
      require: "unmanaged-waived",
      subjects,
    });
  });

  test("has no problem in a settled domain", () => {
    expect(rotation(["management", "traffic"]).problems).toEqual([]);
  });

  test("warns of an absent host, and is not refused for it", () => {
    expect(rotation(["management"], absent).problems).toMatchObject([
      { code: "host-silent", severity: "warning", subject: "host-2" },
    ]);
  });

  test.each([
    ["one that does not report", [{ receivedAtMs: testNowMs - 15_001 }]],
    ["one that has never reported", []],
  ])("warns of a managed relying party: %s", (_, seen) => {
    const of = settledSnapshot(testTopology({ relyingParties: [testParty(1)] }));
    const relyingParties = seen.flatMap((s) => of.relyingParties.map((p) => ({ ...p, ...s })));
    expect(rotation(["management"], of).problems).toEqual([]);
    expect(rotation(["management"], { ...of, relyingParties }).problems).toMatchObject([
      { code: "relying-party-silent", severity: "warning", subject: "relying-party-1" },
    ]);
    // New leaves change nobody's trust: no gate waits for it.
    const leaves = { ...request, credentials: null };
    expect(planReplaceLeaves({ ...of, relyingParties }, leaves).problems).toEqual([]);
  });

  test.each(["quarantined", "revoked"] as const)("does not warn of a %s host", (status) => {
    const hosts = [testHost(1), testHost(2, { status })];
    const of = { ...absent, topology: { ...topology, hosts } };
    expect(rotation(["management"], of).problems).toEqual([]);
  });

  test("is refused for a subject that an earlier CA of the domain has, even a retired one", () => {
    const earlier = testAuthority("management", 9, {
      status: "retired",
      subject: "CN=Taken management",
    });
    const of = { ...snapshot, authorities: [...snapshot.authorities, earlier] };
    expect(rotation(["management"], of, "CN=Taken").problems).toMatchObject([
      { code: "subject-taken", severity: "error", subject: "CN=Taken management" },
    ]);
  });

  test("throws when there is no current authority to rotate", () => {
    const of = { ...snapshot, authorities: [testAuthority("management", 1)] };
    expect(() => rotation(["traffic"], of)).toThrow(
      expect.objectContaining({ code: "authority-unavailable" }),
    );
  });
});

describe("planReplaceLeaves", () => {
  test("reissues every leaf from its own authority and forgets the keys before", () => {
    const plan = planReplaceLeaves(snapshot, { ...request, credentials: null });
    expect(plan).toMatchObject({ kind: "replace-leaves", successions: [], unprovable: [] });
    expect(plan.replaced).toEqual(snapshot.credentials.map(({ id }) => id));
    expect(plan.steps.map(({ id }) => id)).toEqual([
      "reissue-1",
      "reissue-2",
      "reissue-3",
      "forget",
    ]);
    const all = plan.steps.flatMap(({ edit }) => (edit.do === "reissue" ? edit.credentials : []));
    expect(all.toSorted()).toEqual(plan.replaced.toSorted());
  });

  test("reissues only the chosen ones", () => {
    const credentials = ["instance-2/traffic" as CredentialId];
    const plan = planReplaceLeaves(snapshot, { ...request, credentials });
    expect(plan.replaced).toEqual(credentials);
    expect(plan.title).toBe("Replace 1 leaf certificate");
    expect(plan.steps.map(({ edit }) => edit)).toEqual([
      { do: "reissue", credentials },
      { do: "forget-superseded" },
    ]);
  });

  test("throws for a credential that does not exist", () => {
    const credentials = ["instance-9/traffic" as CredentialId];
    expect(() => planReplaceLeaves(snapshot, { ...request, credentials })).toThrow(
      expect.objectContaining({ code: "not-found" }),
    );
  });
});
