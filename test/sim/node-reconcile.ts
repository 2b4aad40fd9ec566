import {
  DomainError,
  isDomainError,
  type AuthorityId,
  type CredentialId,
  type ProcessId,
} from "../../src/kit/index.ts";
import {
  adminProcessOf,
  credentialId,
  edgeKey,
  type ProcessUsage,
  type EdgeProof,
} from "../../src/domain/index.ts";
import { issueCredential, issueProbe, recordObservation } from "../../src/control/index.ts";
import type { DesiredState, ObservedReport } from "../../src/contract/index.ts";
import { nextCredentialMove } from "../../src/node/converge.ts";
import { GatewayProcess, type InstanceFiles } from "./gateway-process.ts";
import { currentOf, emptyFolder, type Folder } from "./leaf.ts";
import type { NodeManager } from "./node-manager.ts";
import { ownUsage } from "./own-usage.ts";

const lookEveryMs = 1_000;
const lookSoonMs = 50;
const heartbeatMs = 5_000;
const retryMsMax = 8_000;
const generationsKept = 3;
const proofLifeMs = 30_000;
/** An instance that does not answer at all this often is started again. */
const missedLooksMax = 5;

type Wanted = DesiredState["credentials"][number];
type WantedInstance = DesiredState["instances"][number];

/** Brings the host to its desired state, again and again, and reports what it proved. */
export async function reconcile(node: NodeManager): Promise<void> {
  let sent = "";
  let sentAtMs = -Infinity;
  for (;;) {
    node.takeNews();
    if (node.disk.isAdmin) node.world.keepAdminRunning();
    await convergeInstances(node);
    let isBusy = false;
    if (node.isConnected) {
      isBusy = await convergeCredentials(node);
      await proveEdges(node);
    }
    const report = await observe(node);
    const text = JSON.stringify(report);
    if (node.isConnected && (text !== sent || node.world.clock.nowMs() - sentAtMs > heartbeatMs)) {
      isBusy ||= text !== sent;
      if (await attempt(() => sendReport(node, report))) {
        sent = text;
        sentAtMs = node.world.clock.nowMs();
      }
    }
    await node.sleep("pause", isBusy ? lookSoonMs : lookEveryMs, () => node.hasNews());
  }
}

/** True if it was done; an expected failure is tried again at the next look. */
async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (!isDomainError(error)) throw error;
    return false;
  }
}

async function sendReport(node: NodeManager, report: ObservedReport): Promise<void> {
  await node.callAdmin("reportObservedState", async (admin) => {
    const isOwnHost = node.hostId === admin.hostId;
    await recordObservation(admin.env, node.hostId, report, {
      seenSerial: admin.seenSerial(node.hostId),
      seenBy: admin.id,
      adminProcess: isOwnHost ? admin.observation() : null,
      servedSerial: isOwnHost ? (admin.identity?.leaf.serial ?? "") : null,
      proofs: isOwnHost ? admin.proofs() : [],
    });
    node.world.reported(node);
  });
}

async function convergeInstances(node: NodeManager): Promise<void> {
  const wanted = node.desired?.instances ?? [];
  for (const instance of wanted) await attempt(() => convergeInstance(node, instance));
  for (const id of node.disk.instances.keys()) {
    if (wanted.some((instance) => instance.id === id)) continue;
    await node.world.schedule.step(node.life, `remove ${id}`);
    node.world.stopGateway(id);
    node.disk.instances.delete(id);
    node.statusOf.delete(id);
  }
}

async function convergeInstance(node: NodeManager, instance: WantedInstance): Promise<void> {
  const files = await writeFiles(node, instance.id);
  const { id } = instance;
  const running = node.world.gateways.get(id);
  if (!instance.enabled) {
    if (running === undefined) return;
    await node.world.schedule.step(node.life, `stop ${id}`);
    node.world.stopGateway(id);
    node.statusOf.delete(id);
    return;
  }
  if (running === undefined) {
    node.statusOf.delete(id);
    if (currentOf(files.management) === null || currentOf(files.traffic) === null) return;
    await node.world.schedule.step(node.life, `start ${id}`);
    node.world.startGateway(new GatewayProcess(node.world, id, node.hostId, files));
  }
  await look(node, id);
  if (node.needsReload.has(id)) await reload(node, id);
}

/** Trust of the instance, as the Node Manager knows it. */
async function writeFiles(node: NodeManager, id: ProcessId): Promise<InstanceFiles> {
  let files = node.disk.instances.get(id);
  if (files === undefined) {
    files = { trust: null, management: emptyFolder(), traffic: emptyFolder() };
    node.disk.instances.set(id, files);
  }
  const now = node.trust.documents();
  const written = files.trust?.documents();
  if (written?.trust !== now.trust || written.host !== now.host) {
    const trust = node.trust.copy();
    await node.world.schedule.step(node.life, `write trust of ${id}`);
    files.trust = trust;
    node.needsReload.add(id);
  }
  return files;
}

/**
 * Asks the instance how it is. One that refuses, or is refused, is told by a signal to load its
 * files; one that stays silent is started again.
 */
async function look(node: NodeManager, id: ProcessId): Promise<void> {
  try {
    const epoch = await callInstance(node, id, "getStatus", async (gateway) => gateway.loadedEpoch);
    node.statusOf.set(id, epoch);
    node.failures.set(id, 0);
    return;
  } catch (error) {
    if (!isDomainError(error)) throw error;
    node.statusOf.delete(id);
    if (error.code !== "unreachable") return signalReload(node, id);
  }
  const missed = (node.failures.get(id) ?? 0) + 1;
  node.failures.set(id, missed);
  if (missed < missedLooksMax) return;
  await node.world.schedule.step(node.life, `kill ${id}`);
  node.world.stopGateway(id);
  node.failures.set(id, 0);
}

function signalReload(node: NodeManager, id: ProcessId): void {
  const gateway = node.world.gateways.get(id);
  node.failures.set(id, 0);
  if (gateway === undefined) return;
  node.world.schedule.spawn(gateway.life, "reload by signal", async () => {
    await gateway.reload();
  });
}

async function callInstance<T>(
  node: NodeManager,
  id: ProcessId,
  what: string,
  serve: (gateway: GatewayProcess) => Promise<T>,
): Promise<T> {
  const gateway = node.world.gateways.get(id);
  if (gateway === undefined) throw new DomainError("not-running", `${id} does not run`);
  return node.world.network.call(node, gateway, `${what} of ${id}`, async () => {
    checkInstance(node, gateway);
    const shown = node.shown();
    if (shown !== undefined) gateway.admit(shown, false);
    return serve(gateway);
  });
}

function checkInstance(node: NodeManager, gateway: GatewayProcess, probeOf?: string): void {
  const target = node.trust.documents().host?.processes.find(({ id }) => id === gateway.id);
  node.checkServer(gateway.shown("management", probeOf), target, probeOf);
}

/** Makes a running instance load its files; one that does not answer keeps its Node Manager waiting. */
async function reload(node: NodeManager, id: ProcessId): Promise<void> {
  await writeFiles(node, id);
  if (!node.world.gateways.has(id)) return;
  node.needsReload.add(id);
  const epoch = await callInstance(node, id, "reload", (gateway) => gateway.reload());
  node.statusOf.set(id, epoch);
  node.needsReload.delete(id);
}

/** The same for all instances, as far as they answer. */
export async function reloadThoseThatAnswer(node: NodeManager): Promise<void> {
  for (const id of node.disk.instances.keys()) await attempt(() => reload(node, id));
}

async function convergeCredentials(node: NodeManager): Promise<boolean> {
  let changed = false;
  for (const wanted of node.desired?.credentials ?? []) {
    if (node.world.clock.nowMs() < (node.retryAtMs.get(wanted.id) ?? 0)) continue;
    const isDone = await attempt(async () => {
      changed = (await convergeCredential(node, wanted)) || changed;
      node.failures.delete(wanted.id);
    });
    if (isDone) continue;
    const failures = (node.failures.get(wanted.id) ?? 0) + 1;
    node.failures.set(wanted.id, failures);
    const pauseMs = Math.min(retryMsMax, 500 * 2 ** failures);
    node.retryAtMs.set(wanted.id, node.world.clock.nowMs() + pauseMs);
  }
  return changed;
}

async function convergeCredential(node: NodeManager, wanted: Wanted): Promise<boolean> {
  const folder = folderOf(node, wanted);
  const current = currentOf(folder);
  const nowMs = node.world.clock.nowMs();
  const isDue = current !== null && node.world.renewalsDue.has(current.leaf.serial);
  const move = nextCredentialMove({
    desired: wanted,
    current,
    kept: [...folder.generations.values()],
    nowMs: isDue ? Math.max(nowMs, current.renewUntilMs) : nowMs,
    jitter: 0.5,
  });
  if (move.do === "nothing" || move.do === "wait") return false;
  if (move.do === "present") await present(node, wanted, folder, move.sequence);
  else await request(node, wanted, folder);
  return true;
}

async function request(node: NodeManager, wanted: Wanted, folder: Folder): Promise<void> {
  const { signing } = node.world;
  const { key, pem } = await signing.newRequest();
  const issued = await node.callAdmin("issueCredential", async (admin) => {
    const answer = await issueCredential(admin.env, {
      hostId: node.hostId,
      credentialId: wanted.id,
      requestPem: pem,
      presentedSerial: currentOf(folder)?.leaf.serial ?? null,
      actor: `host:${node.hostId}`,
    });
    return { ...answer, issuerPem: await node.world.issuerPem(answer.authorityId) };
  });
  await node.world.schedule.step(node.life, `install ${wanted.id}`);
  const leaf = signing.leafOf(issued, issued.issuerPem);
  folder.generations.set(issued.sequence, { ...issued, key, leaf });
  await node.load({ trust: [], hostDocument: issued.hostDocument });
  if (wanted.id === node.credentialId && node.disk.isAdmin) return;
  const kept = node.desired?.credentials.find((credential) => credential.id === wanted.id);
  if (kept !== undefined)
    kept.presentableSequence = Math.max(kept.presentableSequence, issued.sequence);
}

/** Whoever verifies it on this host knows the key first: the instances that of their Node Manager. */
async function present(
  node: NodeManager,
  wanted: Wanted,
  folder: Folder,
  sequence: number,
): Promise<void> {
  if (wanted.process === node.id)
    for (const id of node.disk.instances.keys()) await reload(node, id);
  await node.world.schedule.step(node.life, `present ${wanted.id} ${sequence}`);
  folder.current = sequence;
  prune(folder);
  if (wanted.process === node.id) {
    await node.world.schedule.step(node.life, "load own identity");
    node.identity = currentOf(folder) ?? node.identity;
  } else await reload(node, wanted.process);
}

/** As `pruneGenerations`: the presented one and the newest stay. */
function prune(folder: Folder): void {
  const oldestFirst = [...folder.generations.keys()].toSorted((a, b) => a - b);
  for (const sequence of oldestFirst.slice(0, -generationsKept))
    if (sequence !== folder.current) folder.generations.delete(sequence);
}

function folderOf(node: NodeManager, wanted: Pick<Wanted, "process" | "usage">): Folder {
  if (wanted.process === node.id) return node.disk.folder;
  const files = node.disk.instances.get(wanted.process);
  if (files === undefined)
    throw new DomainError("not-found", `${wanted.process} has no folder yet`);
  return files[ownUsage(wanted.usage)];
}

async function observe(node: NodeManager): Promise<ObservedReport> {
  const { desired, trust, world } = node;
  const credentials: ObservedReport["credentials"] = [];
  for (const wanted of desired?.credentials ?? []) {
    if (wanted.process !== node.id && !node.disk.instances.has(wanted.process)) continue;
    credentials.push(await observeCredential(node, wanted));
  }
  const own = {
    id: node.id,
    state: "running" as const,
    pid: 1,
    loadedEpoch: trust.epoch,
    filesEpoch: trust.epoch,
    oldestConnectionEpoch: null,
    lastError: null,
  };
  const instances = (desired?.instances ?? []).map(({ id }) => {
    const status = node.statusOf.get(id) ?? null;
    const running = status === null ? ("starting" as const) : ("running" as const);
    return {
      id,
      state: world.gateways.has(id) ? running : ("stopped" as const),
      pid: null,
      loadedEpoch: status,
      filesEpoch: node.disk.instances.get(id)?.trust?.epoch ?? 0,
      oldestConnectionEpoch: null,
      lastError: null,
    };
  });
  const proofs = [...node.proofs.values()].map((proof) => ({
    ...proof,
    verifier: proof.verifier as ProcessId,
  }));
  return { bootId: node.bootId, processes: [own, ...instances], credentials, proofs };
}

async function observeCredential(
  node: NodeManager,
  wanted: Wanted,
): Promise<ObservedReport["credentials"][number]> {
  const current = currentOf(folderOf(node, wanted));
  const serial = current?.leaf.serial;
  if (serial !== undefined && wanted.process !== node.id) {
    if (node.seenOnWire.get(wanted.id) !== serial && node.statusOf.has(wanted.process))
      await attempt(() => lookOnWire(node, wanted));
  }
  const seen = node.seenOnWire.get(wanted.id);
  return {
    id: wanted.id,
    installed: current && {
      sequence: current.sequence,
      serial: current.leaf.serial,
      authorityId: current.authorityId,
      notAfterMs: current.notAfterMs,
    },
    seenOnWire: seen === undefined ? null : { serial: seen, by: node.id, atMs: 0 },
    failedRenewals: node.failures.get(wanted.id) ?? 0,
    lastError: null,
  };
}

/** The serial that the live port shows, if the Node Manager's trust accepts the chain. */
async function lookOnWire(node: NodeManager, wanted: Wanted): Promise<void> {
  const gateway = node.world.gateways.get(wanted.process);
  if (gateway === undefined) return;
  const serial = await node.world.network.call(node, gateway, `look at ${wanted.id}`, async () => {
    const shown = gateway.shown(ownUsage(wanted.usage));
    const isAccepted =
      shown !== undefined && node.world.accepts(node.trust.documents(), shown, wanted.usage);
    return isAccepted ? shown.leaf.serial : null;
  });
  if (serial !== null) node.seenOnWire.set(wanted.id, serial);
}

/** As `src/node/proving.ts`. */
async function proveEdges(node: NodeManager): Promise<void> {
  for (const authorityId of node.desired?.prove ?? []) {
    const anchor = node.trust
      .documents()
      .trust.anchors.find((candidate) => candidate.authorityId === authorityId);
    if (anchor === undefined) continue;
    if (anchor.usage === "management") await attempt(() => proveAdmin(node, authorityId));
    for (const { id } of node.desired?.instances ?? [])
      await attempt(() => proveInstance(node, id, authorityId, ownUsage(anchor.usage)));
  }
}

async function proveAdmin(node: NodeManager, authorityId: AuthorityId): Promise<void> {
  const presenter = adminProcessOf(node.trust.documents().trust.admins[0]?.id ?? node.id);
  if (isProven(node, presenter, authorityId)) return;
  await prepareProbe(node, node.credentialId, authorityId, (probe) =>
    node.probes.set(authorityId, probe),
  );
  const verifierEpoch = node.trust.epoch;
  if (node.world.mutant === "agent-answers-for-others" && node.disk.isAdmin)
    for (const id of node.world.nodeManagerIds())
      addProof(node, presenter, id, authorityId, verifierEpoch);
  await node.probeAdmin(authorityId);
  addProof(node, node.id, presenter, authorityId, verifierEpoch);
}

async function proveInstance(
  node: NodeManager,
  id: ProcessId,
  authorityId: AuthorityId,
  usage: ProcessUsage,
): Promise<void> {
  const status = node.statusOf.get(id);
  if (status === undefined) return;
  const verifierEpoch = node.trust.epoch;
  const isMutant = node.world.mutant === "agent-answers-for-others";
  if (usage === "management") {
    if ((status < node.trust.epoch && !isMutant) || isProven(node, id, authorityId)) return;
    await prepareProbe(node, node.credentialId, authorityId, (probe) =>
      node.probes.set(authorityId, probe),
    );
  }
  const gateway = node.world.gateways.get(id);
  if (gateway === undefined) return;
  await prepareProbe(
    node,
    credentialId(id, usage),
    authorityId,
    async (probe) => {
      await callInstance(node, id, "installProbes", async (there) =>
        there.installProbe(usage, probe),
      );
    },
    gateway.shown(usage, authorityId)?.leaf.notAfterMs ?? 0,
  );
  if (usage === "traffic") return;
  const epoch = await node.world.network.call(node, gateway, `probe ${id}`, async () => {
    checkInstance(node, gateway, authorityId);
    const shown = node.shown(authorityId);
    if (shown !== undefined && !isMutant) gateway.admit(shown, true);
    return isMutant ? verifierEpoch : gateway.loadedEpoch;
  });
  addProof(node, node.id, id, authorityId, verifierEpoch);
  addProof(node, id, node.id, authorityId, epoch);
}

/** A probe certificate for a credential of this host, unless one is at hand that lives long enough. */
async function prepareProbe(
  node: NodeManager,
  id: string,
  authorityId: AuthorityId,
  install: (probe: {
    leaf: ReturnType<NodeManager["world"]["signing"]["leafOf"]>;
    authorityId: AuthorityId;
  }) => unknown,
  presentEndMs = node.probes.get(authorityId)?.leaf.notAfterMs ?? 0,
): Promise<void> {
  if (presentEndMs > node.world.clock.nowMs() + 120_000) return;
  const { signing } = node.world;
  const { pem } = await signing.newRequest();
  const { der, issuerPem } = await node.callAdmin("issueProbe", async (admin) => {
    const answer = await issueProbe(admin.env, {
      hostId: node.hostId,
      credentialId: id as CredentialId,
      authorityId,
      requestPem: pem,
    });
    return { der: answer.der, issuerPem: answer.authority.certificatePem };
  });
  await install({ leaf: signing.leafOf({ der }, issuerPem), authorityId });
}

function isProven(node: NodeManager, presenter: ProcessId, authorityId: string): boolean {
  const key = edgeKey({ verifier: node.id, presenter, usage: "management" }, authorityId);
  const proof = node.proofs.get(key);
  if (proof === undefined || proof.verifierEpoch < node.trust.epoch) return false;
  return node.world.clock.nowMs() - proof.atMs < proofLifeMs;
}

function addProof(
  node: NodeManager,
  verifier: EdgeProof["verifier"],
  presenter: ProcessId,
  authorityId: AuthorityId,
  verifierEpoch: number,
): void {
  const atMs = node.world.clock.nowMs();
  const proof = { verifier, presenter, authorityId, verifierEpoch, atMs };
  node.proofs.set(edgeKey({ ...proof, usage: "management" }, authorityId), proof);
}
