import { pino } from "pino";
import { credentialId, homeLayout } from "../../src/domain/index.ts";
import type { DesiredState } from "../../src/contract/index.ts";
import type { CredentialId, ProcessId } from "../../src/kit/index.ts";
import { installGeneration, presentGeneration } from "../../src/keys/index.ts";
import { NodeState } from "../../src/node/node-state.ts";
import { tempFolder } from "./temp-folder.ts";
import { knownProcess, TestDomain, type TestCredential } from "./test-domain.ts";

export const nodeHostId = "host-1";

export interface NodeFixture {
  readonly domain: TestDomain;
  readonly state: NodeState;
  /** The Node Manager's own credential. */
  readonly own: CredentialId;
  /** What was logged, a line each, with the fields that the Node Manager puts into every line. */
  readonly lines: readonly string[];
  /** Installs another generation of the Node Manager's own credential. */
  install(sequence: number, credential: TestCredential, times?: Partial<Slot>): Promise<void>;
}

interface Slot {
  renewFromMs: number;
  renewUntilMs: number;
}

/** A Node Manager's home with its first credential, and what it holds in memory; nothing runs. */
export async function nodeFixture(lifetimeLeftMs = 20 * 86_400_000): Promise<NodeFixture> {
  const domain = await TestDomain.create();
  const first = await domain.nodeManager(nodeHostId, {
    authorityId: "management-1",
    template: { notAfterMs: Math.ceil((Date.now() + lifetimeLeftMs) / 1000) * 1000 },
  });
  domain.publishHost(nodeHostId, [knownProcess("nodemanager-1", "nm", nodeHostId, [first])]);
  const lines: string[] = [];
  const state = new NodeState({
    layout: homeLayout(await tempFolder()),
    settings: {
      domain: domain.id,
      hostId: nodeHostId,
      nodeManagerId: "nodemanager-1",
      name: "Node Manager",
      port: 1,
      isAdmin: false,
      trustKeyId: "",
      adminAddress: "127.0.0.1",
      adminPort: 1,
    },
    log: pino(
      { base: { host: nodeHostId, pid: process.pid } },
      { write: (line) => lines.push(line) },
    ),
    trust: domain.trust.copy(),
  });
  const own: CredentialId = credentialId("nodemanager-1" as ProcessId, "management");
  const install: NodeFixture["install"] = async (sequence, credential, times = {}) => {
    const { identity, certificate } = credential;
    await installGeneration(state.layout.nodeCredential, {
      sequence,
      keyPem: identity.keyPem,
      certificatePem: identity.certificatePem,
      chainPem: "",
      meta: {
        serial: identity.serial,
        authorityId: identity.authorityId,
        notAfterMs: certificate.notAfterMs,
        renewFromMs: certificate.notAfterMs,
        renewUntilMs: certificate.notAfterMs,
        ...times,
      },
    });
  };
  await install(1, first);
  await presentGeneration(state.layout.nodeCredential, 1);
  await state.loadIdentity();
  return { domain, state, own, lines, install };
}

/** What is desired of the Node Manager's own credential, and nothing else. */
export function desireOwn(
  { state, own }: NodeFixture,
  wanted: { presentableSequence: number },
): void {
  state.desired = {
    revision: 1,
    trust: [],
    instances: [],
    prove: [],
    credentials: [
      {
        id: own,
        process: state.processId,
        usage: "management",
        subject: "CN=nodemanager",
        authorityId: "management-1",
        minSequence: 0,
        maxSequence: null,
        ...wanted,
      },
    ],
  } as unknown as DesiredState;
}
