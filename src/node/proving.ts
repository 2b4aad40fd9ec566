import { setTimeout as sleep } from "node:timers/promises";
import { describeError, DomainError, type AuthorityId, type ProcessId } from "../kit/index.ts";
import { adminProcessOf, isServiceUsage, type KnownProcess } from "../domain/index.ts";
import { generateKeyPair, privateKeyToPem, requestForKey } from "../keys/index.ts";
import { judgePeer, probe, type Identity } from "../transport/index.ts";
import type { AdminLink } from "./admin-link.ts";
import type { InstanceLinks } from "./instance-link.ts";
import type { Instances } from "./instances.ts";
import type { Members } from "./members/members.ts";
import type { NodeState } from "./node-state.ts";

const probeTimeoutMs = 5_000;
/** Probe certificates live for ten minutes: used anew well before. */
const probeLifeMs = 8 * 60_000;
/** For so long the host waits for the answers of Admin Node Managers before it goes on. */
const adminWaitMs = 250;
/** An edge is proven again this often for as long as the domain asks for it. */
const proofLifeMs = 30_000;

type ApiCalls = Pick<AdminLink, "call">;

/**
 * Proves the edges of this host under every authority that is being introduced: with the Admin Node
 * Managers, and with each running instance, in both directions in one handshake. The servers of members
 * of services are asked in the background.
 */
export async function proveEdges(
  state: NodeState,
  link: ApiCalls,
  links: InstanceLinks,
  {
    instances,
    members,
  }: { readonly instances: Instances; readonly members: Pick<Members, "prove"> },
): Promise<void> {
  for (const authorityId of state.desired?.prove ?? []) {
    const anchor = state.trust.document.anchors.find(
      (candidate) => candidate.authorityId === authorityId,
    );
    if (anchor === undefined) continue;
    try {
      if (anchor.usage === "management")
        await proveManagement(state, link, links, instances, authorityId);
      else if (isServiceUsage(anchor.usage)) members.prove(link, anchor.usage, authorityId);
      else await prepareTraffic(state, link, links, instances, authorityId);
    } catch (error) {
      logUnproven(state, authorityId, error);
    }
  }
}

async function proveManagement(
  state: NodeState,
  link: ApiCalls,
  links: InstanceLinks,
  instances: Instances,
  authorityId: AuthorityId,
): Promise<void> {
  const failures: unknown[] = [];
  const attempt = async (peer: KnownProcess, presenter: ProcessId, port: number): Promise<void> => {
    if (isProven(state, presenter, authorityId)) return;
    await proveEdge(state, link, { peer, presenter, port, authorityId }).catch((error: unknown) =>
      failures.push(error),
    );
  };
  await proveAdmins(state, link, authorityId);
  for (const { id, managementPort } of state.desired?.instances ?? []) {
    const status = instances.statusOf(id);
    if (
      status === null ||
      status.loadedEpoch < state.trust.epoch ||
      isProven(state, id, authorityId)
    )
      continue;
    try {
      await prepareInstance(state, link, links, id, authorityId, ["management"]);
      await attempt(links.target(id), id, managementPort);
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
}

/** Those whose answer is still waited for, by process and authority. */
const underWay = new Set<string>();

/**
 * With every Admin Node Manager, whichever this host calls: each keeps its own verdict. One that
 * does not answer is waited for in the background, since the host has other things to do.
 */
async function proveAdmins(
  state: NodeState,
  link: ApiCalls,
  authorityId: AuthorityId,
): Promise<void> {
  const unproven = state.trust.document.admins.filter(
    ({ id }) =>
      !underWay.has(`${id} ${authorityId}`) && !isProven(state, adminProcessOf(id), authorityId),
  );
  if (unproven.length === 0) return;
  await ownProbeIdentity(state, link, authorityId);
  const attempts = unproven.map(async (peer) => {
    const key = `${peer.id} ${authorityId}`;
    underWay.add(key);
    try {
      const presenter = adminProcessOf(peer.id);
      await proveEdge(state, link, { peer, presenter, port: peer.port, authorityId });
      state.wake();
    } catch (error) {
      logUnproven(state, authorityId, error);
    } finally {
      underWay.delete(key);
    }
  });
  await Promise.race([Promise.all(attempts), sleep(adminWaitMs, undefined, { ref: false })]);
}

function logUnproven(state: NodeState, authority: AuthorityId, error: unknown): void {
  state.log.info({ authority, error: describeError(error) }, "an edge is not proven yet");
}

/**
 * Proven with the trust that is loaded now, and not long ago: the other side keeps its own verdict,
 * and one that was started anew has lost it.
 */
function isProven(state: NodeState, presenter: ProcessId, authorityId: AuthorityId): boolean {
  const proof = state.proofOf(state.processId, presenter, authorityId);
  return (
    proof !== undefined &&
    proof.verifierEpoch >= state.trust.epoch &&
    Date.now() - proof.atMs < proofLifeMs
  );
}

interface EdgeToProve {
  readonly peer: KnownProcess;
  /** The peer as gates count it. */
  readonly presenter: ProcessId;
  readonly port: number;
  readonly authorityId: AuthorityId;
}

async function proveEdge(
  state: NodeState,
  link: ApiCalls,
  { peer, presenter, port, authorityId }: EdgeToProve,
): Promise<void> {
  const { trust, self, reach } = state;
  const verifierEpoch = trust.epoch;
  const answer = await probe({
    ...(peer.role === "anm" ? reach.serverOf(peer) : { address: "127.0.0.1", port }),
    authorityId,
    trust,
    usage: "management",
    timeoutMs: probeTimeoutMs,
    identity: await ownProbeIdentity(state, link, authorityId),
    checkServer(certificate) {
      const verdict = judgePeer(certificate, trust, {
        self,
        known: [peer],
        nowMs: Date.now(),
        peerIs: "server",
        expected: peer.id,
        probe: true,
      });
      return verdict.ok ? undefined : new Error(verdict.text);
    },
  });
  // It is about to load what this host has, and then its verdict counts.
  if (peer.role === "anm" && answer.epoch < verifierEpoch)
    throw new DomainError(
      "stale-epoch",
      `${peer.id} has loaded trust epoch ${answer.epoch}, not ${verifierEpoch} yet`,
    );
  const atMs = Date.now();
  state.addProof({ verifier: state.processId, presenter, authorityId, verifierEpoch, atMs });
  // The other side's own word, given with its own loaded trust. An Admin Node Manager keeps it itself.
  if (peer.role === "gateway")
    state.addProof({
      verifier: peer.id,
      presenter: state.processId,
      authorityId,
      verifierEpoch: answer.epoch,
      atMs,
    });
}

/** A probe certificate of this Node Manager, with a key that never touches the disk. */
async function ownProbeIdentity(
  state: NodeState,
  link: ApiCalls,
  authorityId: AuthorityId,
): Promise<Identity> {
  const ready = state.probes.identity(authorityId, Date.now());
  if (ready !== undefined) return ready;
  const { privateKey } = await generateKeyPair("ecdsa-p256");
  const { certificatePem } = await link.call("issueProbe", {
    body: {
      credentialId: state.credentialId,
      authorityId,
      requestPem: await requestForKey(privateKey, "CN=probe"),
    },
  });
  const identity: Identity = {
    keyPem: privateKeyToPem(privateKey),
    certificatePem,
    authorityId,
    serial: "",
  };
  state.probes.set(authorityId, identity, Date.now() + probeLifeMs);
  return identity;
}

/** When each instance's probe certificates were last installed, so that they are not made at every look. */
const prepared = new Map<string, number>();

async function prepareInstance(
  state: NodeState,
  link: ApiCalls,
  links: InstanceLinks,
  id: ProcessId,
  authorityId: AuthorityId,
  usages: readonly ("management" | "traffic")[],
): Promise<void> {
  const key = `${id} ${authorityId} ${state.trust.epoch} ${links.target(id).keys.join()}`;
  if ((prepared.get(key) ?? 0) > Date.now()) return;
  const { requests } = (await links.call(id, "requestProbes", {
    body: { authorityId, usages },
  })) as { requests: { usage: "management" | "traffic"; requestPem: string }[] };
  const certificates = await Promise.all(
    requests.map(async ({ usage, requestPem }) => {
      const { certificatePem } = await link.call("issueProbe", {
        body: {
          credentialId: `${id}/${usage}` as typeof state.credentialId,
          authorityId,
          requestPem,
        },
      });
      return { usage, certificatePem };
    }),
  );
  await links.call(id, "installProbes", { body: { authorityId, certificates } });
  prepared.set(key, Date.now() + probeLifeMs);
}

/** Traffic edges are proven by the relying parties: here the listeners are made ready to be probed. */
async function prepareTraffic(
  state: NodeState,
  link: ApiCalls,
  links: InstanceLinks,
  instances: Instances,
  authorityId: AuthorityId,
): Promise<void> {
  for (const { id } of state.desired?.instances ?? []) {
    if (instances.statusOf(id) !== null)
      await prepareInstance(state, link, links, id, authorityId, ["traffic"]);
  }
}
