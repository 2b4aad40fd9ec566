import { expect, test } from "vitest";
import type { DomainSnapshot } from "./snapshot.ts";
import { arrangeEvidence } from "./snapshot.ts";
import { testNowMs } from "../../test/support/certificates.ts";
import { settledSnapshot } from "../../test/support/snapshots.ts";
import { testHost, testInstance, testTopology } from "../../test/support/topologies.ts";
import { horizonOf, type Horizon } from "./horizon.ts";

const topology = testTopology({
  hosts: [testHost(1), testHost(2)],
  instances: [testInstance(1, 2)],
});
const day = 86_400_000;

/** The settled domain, in which both authorities are trusted. */
function settled(): DomainSnapshot {
  const base = settledSnapshot(topology);
  const anchors = base.authorities.map(({ id, usage, certificatePem }) => ({
    authorityId: id,
    usage,
    certificatePem,
    crossCertificatePem: null,
  }));
  return { ...base, trust: { ...base.trust, anchors } };
}

/** The settled domain with other ends of installed certificates; null: none is installed. */
function snapshotWith(ends: Readonly<Record<string, number | null>>): DomainSnapshot {
  const base = settled();
  return {
    ...base,
    hosts: base.hosts.map((host) => ({
      ...host,
      credentials: host.credentials.map((credential) => {
        const notAfterMs = ends[credential.id];
        if (notAfterMs === undefined || credential.installed === null) return credential;
        return {
          ...credential,
          installed: notAfterMs === null ? null : { ...credential.installed, notAfterMs },
        };
      }),
    })),
  };
}

function horizon(snapshot: DomainSnapshot): Horizon {
  return horizonOf(arrangeEvidence(snapshot));
}

test("a process lasts as long as the first of its certificates to end, and the earliest comes first", () => {
  const { processes } = horizon(
    snapshotWith({
      "instance-1/management": testNowMs + 20 * day,
      "instance-1/traffic": testNowMs + 3 * day,
      "nodemanager-2/management": testNowMs + 9 * day,
    }),
  );
  expect(processes.slice(0, 2)).toMatchObject([
    { process: "instance-1", credential: "instance-1/traffic", atMs: testNowMs + 3 * day },
    { process: "nodemanager-2", atMs: testNowMs + 9 * day },
  ]);
  expect(processes.map(({ process }) => process).toSorted()).toEqual([
    "instance-1",
    "nodemanager-1",
    "nodemanager-2",
  ]);
});

test("a process without a certificate comes last, with no end", () => {
  const { processes } = horizon(
    snapshotWith({ "instance-1/management": null, "instance-1/traffic": null }),
  );
  expect(processes.at(-1)).toMatchObject({ process: "instance-1", atMs: null });
});

test("a certificate lasts no longer than the CA it is trusted by, and no time at all without trust", () => {
  const base = settled();
  const short = {
    ...base,
    authorities: base.authorities.map((authority) =>
      authority.usage === "traffic" ? { ...authority, notAfterMs: testNowMs + day } : authority,
    ),
  };
  expect(horizon(short).processes[0]).toMatchObject({
    credential: "instance-1/traffic",
    atMs: testNowMs + day,
  });
  const untrusted = {
    ...base,
    trust: {
      ...base.trust,
      anchors: base.trust.anchors.filter(({ usage }) => usage !== "traffic"),
    },
  };
  expect(horizon(untrusted).processes[0]).toMatchObject({
    credential: "instance-1/traffic",
    atMs: base.nowMs,
  });
});

test("the loss of an authority is felt when the first of its leaves ends", () => {
  const { authorities } = horizon(
    snapshotWith({
      "nodemanager-1/management": testNowMs + 5 * day,
      "instance-1/traffic": testNowMs + 7 * day,
    }),
  );
  expect(authorities).toMatchObject([
    {
      authorityId: "management-1",
      credential: "nodemanager-1/management",
      atMs: testNowMs + 5 * day,
    },
    { authorityId: "traffic-1", credential: "instance-1/traffic", atMs: testNowMs + 7 * day },
  ]);
});
