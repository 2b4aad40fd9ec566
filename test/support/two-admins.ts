import { onTestFinished } from "vitest";
import type { HostId } from "../../src/kit/index.ts";
import {
  homeLayout,
  type HomeLayout,
  type Host,
  type NodeSettings,
} from "../../src/domain/index.ts";
import { AgreedClock, initializeDomain, LeaseCandidate } from "../../src/control/index.ts";
import { encodePem } from "../../src/pki/index.ts";
import { installGeneration, presentGeneration, privateKeyToPem } from "../../src/keys/index.ts";
import { AdminState } from "../../src/admin/admin-state.ts";
import { FileAuthorityKeys } from "../../src/admin/authority-keys.ts";
import { LeafLifetime } from "../../src/admin/openssl-config.ts";
import type { HomeEnvironment } from "../../src/admin/environment.ts";
import { createLogger } from "../../src/admin/log.ts";
import { announceSealingKey } from "../../src/admin/sealing-key.ts";
import { createServer } from "../../src/admin/server.ts";
import {
  issueFor,
  joinTestHost,
  newRequest,
  testEnvironment,
  type TestEnvironment,
} from "./control-environment.ts";
import { freePort } from "./free-port.ts";
import { tempFolder } from "./temp-folder.ts";

/** An Admin Node Manager in this process: its home, its server, and no loops. */
export interface TestAdmin {
  readonly state: AdminState;
  readonly layout: HomeLayout;
  readonly env: HomeEnvironment;
  /** Sets the wall clock of its machine; what has passed since it started does not change. */
  setClock(byMs: number): void;
  /** Ends its server; the rest of it goes on. */
  stop(): Promise<void>;
}

/**
 * Two Admin Node Managers on one store: host-1, which made the domain and its keys, and host-2.
 * `prepare` makes of the first home what it is to be before.
 */
export async function twoAdmins(
  prepare: (layout: HomeLayout) => Promise<void> = async () => {},
): Promise<readonly [TestAdmin, TestAdmin]> {
  const shared = await testEnvironment();
  const [first, second] = [await homeOn(shared), await homeOn(shared)];
  await prepare(first.layout);
  const ports = [await freePort(), await freePort()] as const;
  const host = await initializeDomain(first.env, {
    domainId: "domain.example",
    domainName: "CN=Domain",
    hostName: "alpha",
    address: "127.0.0.1",
    nodeManagerName: "Node Manager on alpha",
    port: ports[0],
    administrator: { name: "admin", password: "secret" },
  });
  const one = await serve(first, host, first.env);
  const joined = await joinTestHost(first.env, { address: "127.0.0.1", port: ports[1] });
  const two = await serve(second, await makeAdmin(first.env, joined.host.id), first.env);
  // As its loops would do.
  await one.state.refreshTrust();
  return [one, two];
}

type Home = Pick<TestAdmin, "layout" | "env" | "setClock">;

const toleranceMs = 1_800_000;

async function homeOn(shared: TestEnvironment): Promise<Home> {
  const layout = homeLayout(await tempFolder());
  let setByMs = 0;
  // Handshakes are judged by the time of the machine.
  const machine = {
    nowMs: () => Date.now() + setByMs,
    monotonicMs: () => performance.now(),
  };
  const clock = new AgreedClock(machine, toleranceMs);
  const authorityKeys = new FileAuthorityKeys(layout, clock);
  onTestFinished(() => authorityKeys.close());
  const env: HomeEnvironment = {
    ...shared,
    clock,
    authorityKeys,
    lifetime: new LeafLifetime(layout),
    leafLifetimeSeconds: () => shared.policy.leafLifetimeSeconds,
    isStoreOurs: () => true,
    databaseNowMs: async () => null,
    moveStore: () => Promise.reject(new Error("not in this test")),
    close: async () => {},
  };
  return { layout, env, setClock: (byMs) => void (setByMs += byMs) };
}

/** Makes the Node Manager of a host an Admin Node Manager; its certificate has to be issued anew. */
async function makeAdmin({ store }: HomeEnvironment, id: HostId): Promise<Host> {
  const entry = { actor: "user:admin", action: "host.admin", subject: id, detail: {} };
  return store.write(entry, async (tx) => {
    const host = await tx.topology.host(id);
    if (host === undefined) throw new Error(`there is no host ${id}`);
    const admin = { ...host, nodeManager: { ...host.nodeManager, isAdmin: true } };
    await tx.topology.putHost(admin);
    return admin;
  });
}

/** What `host` presents is signed through `signer`, as before its own server runs it has no peers. */
async function serve(
  { layout, env, setClock }: Home,
  host: Host,
  signer: HomeEnvironment,
): Promise<TestAdmin> {
  const { keys, pem } = await newRequest();
  const { id: nodeManagerId, name, port } = host.nodeManager;
  const {
    der,
    hostDocument: _signed,
    ...meta
  } = await issueFor(signer, host.id, `${nodeManagerId}/management`, pem);
  await installGeneration(layout.nodeCredential, {
    sequence: meta.sequence,
    keyPem: privateKeyToPem(keys.privateKey),
    certificatePem: encodePem("CERTIFICATE", der),
    chainPem: "",
    meta,
  });
  await presentGeneration(layout.nodeCredential, meta.sequence);
  const settings: NodeSettings = {
    domain: "domain.example",
    hostId: host.id,
    nodeManagerId,
    name,
    port,
    isAdmin: true,
    trustKeyId: env.trustKey.keyId,
    adminAddress: host.address,
    adminPort: port,
  };
  const candidate = new LeaseCandidate({
    ...env,
    holder: nodeManagerId,
    leaseMs: 5000,
    isAlone: () => false,
  });
  const log = createLogger("admin-node-manager", host.id);
  log.level = "silent";
  const state = new AdminState({ env, layout, settings, candidate, log });
  await announceSealingKey(state);
  await state.refreshTrust();
  await state.refreshIdentity();
  const app = await createServer(state);
  await app.listen({ port, host: "127.0.0.1" });
  const stop = async (): Promise<void> => {
    await app.close();
  };
  onTestFinished(async () => {
    state.peers.close();
    await stop();
  });
  return { state, layout, env, setClock, stop };
}
