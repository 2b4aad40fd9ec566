import type { Answers } from "./scripted-admin.ts";

const startMs = 1_795_348_800_000;
const dayMs = 86_400_000;

const instance = (number: number, hostId: string, state: string) => ({
  id: `instance-${number}`,
  name: `APIGateway${number}`,
  hostId,
  managementPort: 8084 + number,
  servicesPort: 8079 + number,
  enabled: state === "running",
  state,
  tags: {},
});

const topology = {
  id: "7c2a8275-310d-40d1-8987-68eb5c01ecbe",
  name: "CN=Domain",
  version: 12,
  trustEpoch: 3,
  productVersion: "0.1.0",
  hosts: [
    {
      id: "host-1",
      name: "anm1.example.com",
      address: "anm1.example.com",
      status: "active",
      connected: true,
      dial: "nm",
      nodeManager: {
        id: "nodemanager-1",
        name: "Node Manager on anm1.example.com",
        port: 8090,
        isAdmin: true,
      },
    },
    {
      id: "host-2",
      name: "gw2.example.com",
      address: "2001:db8::2",
      status: "active",
      connected: false,
      dial: "nm",
      nodeManager: {
        id: "nodemanager-2",
        name: "Node Manager on gw2.example.com",
        port: 8090,
        isAdmin: false,
      },
    },
  ],
  groups: [
    {
      id: "group-2",
      name: "Group1",
      configuration: { routes: [], dnsNames: [] },
      instances: [instance(1, "host-1", "running"), instance(2, "host-2", "stopped")],
    },
    {
      id: "group-3",
      name: "Group2",
      configuration: { routes: [], dnsNames: [] },
      instances: [{ ...instance(3, "host-1", "stopped"), name: "APIGateway1" }],
    },
  ],
  relyingParties: [{ id: "relying-party-1", name: "shop", loadedEpoch: 3 }],
};

const succession = {
  usage: "management",
  from: "management-1",
  to: "management-2",
  subject: "CN=Domain 2",
};
const steps = [
  {
    id: "prepare",
    phase: "prepare",
    title: "Make the new CA and its cross-certificate",
    edit: { do: "create-authorities", successions: [succession] },
    gate: [],
  },
  {
    id: "introduce",
    phase: "introduce",
    title: "Trust the old and the new CA everywhere",
    edit: { do: "trust", authorities: ["management-2"] },
    gate: [{ require: "trust-loaded" }, { require: "edges-proven", authorities: ["management-2"] }],
  },
  {
    id: "reissue-1",
    phase: "reissue",
    title: "Reissue the canary: instance-1/management",
    edit: { do: "reissue", credentials: ["instance-1/management"] },
    gate: [{ require: "presented", credentials: ["instance-1/management"] }],
  },
  {
    id: "observe",
    phase: "observe",
    title: "Watch that everything holds under the new CA",
    edit: { do: "watch" },
    gate: [
      { require: "all-presented", usages: ["management"] },
      { require: "unmanaged-waived", subjects: ["unmanaged:management"] },
      { require: "held-for", seconds: 300 },
    ],
  },
  {
    id: "retire",
    phase: "retire",
    title: "Stop trusting the old CA",
    edit: { do: "distrust", authorities: ["management-1"], deny: false },
    gate: [{ require: "old-connections-closed" }],
  },
];

const plan = {
  id: "plan-1",
  kind: "rotate-ca",
  title: "Rotate the management CA",
  parentRevision: 12,
  createdAtMs: startMs,
  createdBy: "user:admin",
  steps,
  successions: [succession],
  replaced: ["instance-1/management", "nodemanager-1/management"],
  unprovable: [
    {
      code: "unmanaged-callers",
      severity: "warning",
      subject: "unmanaged:management",
      text: "browsers and remote command lines cannot be observed",
    },
  ],
  problems: [
    {
      code: "host-silent",
      severity: "warning",
      subject: "host-2",
      text: "host gw2.example.com (host-2) is not connected",
    },
  ],
};

const applied = (index: number, heldAtMs: number | null) => ({
  step: steps[index],
  appliedAtMs: startMs,
  epoch: 4,
  before: {},
  heldAtMs,
});

/** A rollout of the sample plan of which `done` steps are begun. */
export function sampleRollout(
  done: number,
  rest: { status?: string; blockers?: readonly unknown[] } = {},
) {
  const { status = "running", blockers = [] } = rest;
  const isOver = status === "completed";
  return {
    rollout: {
      id: "rollout-1",
      planId: "plan-1",
      kind: "rotate-ca",
      title: "Rotate the management CA",
      status,
      pausedFrom: null,
      successions: [succession],
      done: steps
        .slice(0, done)
        .map((_step, i) => applied(i, i < done - 1 || isOver ? startMs : null)),
      todo: steps.slice(done),
      waivers: [],
      version: done,
      startedAtMs: startMs,
      finishedAtMs: isOver ? startMs + 60_000 : null,
    },
    phase: steps[Math.max(0, done - 1)]?.phase ?? null,
    blockers,
  };
}

/** What holds the observe step back until a person answers for callers that nobody can observe. */
export const waitsForPeople = {
  code: "unmanaged-not-waived",
  severity: "error",
  subject: "unmanaged:management",
  text: "nobody has answered for the callers unmanaged:management",
};

const serial = "5c61d763ff6cb53df322d926ffdfb4b2";

/** Answers of the API of a small domain. */
export const sampleAnswers: Answers = {
  getTopology: topology,
  createPlan: plan,
  getPlan: plan,
  startRollout: sampleRollout(1),
  listRollouts: { rollouts: [sampleRollout(4, { blockers: [waitsForPeople] })] },
  getRollout: sampleRollout(4, { blockers: [waitsForPeople] }),
  pauseRollout: sampleRollout(4, { status: "paused" }),
  waiveGate: sampleRollout(4),
  listFindings: {
    findings: [
      {
        code: "host-silent",
        severity: "error",
        subject: "host-2",
        text: "host gw2.example.com (host-2) is not connected",
      },
    ],
  },
  listCredentials: {
    credentials: [
      {
        id: "instance-1/management",
        process: "instance-1",
        hostId: "host-1",
        usage: "management",
        authorityId: "management-1",
        installedSequence: 2,
        installedSerial: serial,
        notAfterMs: startMs + 30 * dayMs,
        onWire: true,
        failedRenewals: 0,
        lastError: null,
      },
    ],
  },
  destroyKey: { wasThere: true },
  listAuthorities: {
    authorities: [
      {
        id: "management-1",
        usage: "management",
        subject: "CN=Domain",
        fingerprint: "ab".repeat(32),
        certificatePem: "",
        notAfterMs: startMs + 3650 * dayMs,
        status: "current",
        holders: ["host-1"],
        signers: ["host-1"],
      },
    ],
  },
  recordKeyCopies: null,
  waiveUnheard: null,
  changeGroupPassphrase: null,
  setKeyPassphrase: null,
  getGroupPassphrase: {
    isSet: true,
    hosts: [{ id: "host-1", name: "anm1.example.com", isCurrent: true }],
  },
  unlockKeys: { hostId: "host-1", wereLocked: false, authorities: ["management-1"] },
  checkTopology: {
    version: 12,
    trustEpoch: 3,
    admins: [
      {
        id: "nodemanager-1",
        hostId: "host-1",
        name: "anm1.example.com",
        said: { version: 12, trustEpoch: 3, leads: true, asOfMs: null },
        problem: null,
      },
      {
        id: "nodemanager-3",
        hostId: "host-3",
        name: "anm3.example.com",
        said: { version: 9, trustEpoch: 3, leads: false, asOfMs: startMs },
        problem: null,
      },
      {
        id: "nodemanager-4",
        hostId: "host-4",
        name: "anm4.example.com",
        said: null,
        problem: "10.0.0.4:8090 did not answer in time",
      },
    ],
    hosts: [
      {
        id: "nodemanager-1",
        hostId: "host-1",
        name: "anm1.example.com",
        connected: true,
        version: 12,
        trustEpoch: 3,
      },
      {
        id: "nodemanager-2",
        hostId: "host-2",
        name: "gw2.example.com",
        connected: false,
        version: 11,
        trustEpoch: null,
      },
    ],
    differences: [{ at: "host-3", text: "instance instance-2 is missing" }],
  },
  getHorizon: {
    atMs: startMs + 20 * dayMs,
    minimumMs: 10 * dayMs,
    processes: [],
    authorities: [],
    signers: [
      { authorityId: "management-1", hosts: ["host-1", "host-2"] },
      { authorityId: "traffic-1", hosts: [] },
    ],
  },
  createJoinToken: {
    token: "gatehouse-join.0123456789abcdef.secret.key",
    expiresAtMs: startMs + 3_600_000,
  },
  verifyAudit: {
    ok: false,
    text: "link 7 of nodemanager-1: the hash differs",
    links: 0,
    records: 0,
    issuances: 0,
  },
  revoke: { epoch: 4, denied: 2, processes: ["instance-1"], acknowledged: true },
  restoreAuthority: null,
  retireAuthority: null,
  setHostDial: null,
  editHost: null,
  editInstance: null,
  renameGroup: null,
  setTag: null,
  deleteTag: null,
  setHostRole: { authorities: ["management-1"] },
  getHostRole: { isAdmin: true, isAdminNow: true, isDone: true, problem: null },
  shareKeys: { authorities: ["traffic-1", "management-1"] },
  moveKeys: { from: "host-1", authorities: ["traffic-1", "management-1"] },
  unshareKeys: { authorities: ["traffic-1", "management-1"] },
  deleteInstance: null,
  setInstanceEnabled: null,
};
