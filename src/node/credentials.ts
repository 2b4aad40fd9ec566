import { createHash } from "node:crypto";
import { describeError, isDomainError, type CredentialId } from "../kit/index.ts";
import { isServiceUsage } from "../domain/index.ts";
import { parseCertificatesPem } from "../pki/index.ts";
import type { DesiredState } from "../contract/index.ts";
import {
  generateKeyPair,
  requestForKey,
  type KeyProtection,
  type PendingKey,
} from "../keys/index.ts";
import type { AdminLink } from "./admin-link.ts";
import { isNearItsEnd, nextCredentialMove } from "./converge.ts";
import { installIssued, presentAndPrune, readFolder } from "./credential-folder.ts";
import { dropPending, dropStrayPending, pendingElsewhere } from "./elsewhere.ts";
import { groupOf, instanceFolder, type Instances } from "./instances.ts";
import type { NodeState } from "./node-state.ts";

type WantedCredential = DesiredState["credentials"][number];

const retryMsMin = 1_000;
const retryMsMax = 60_000;

/** A renewal that is due, and by when it has to be done. */
interface Renewal {
  readonly wanted: WantedCredential;
  readonly presentedSerial: string | undefined;
  readonly notAfterMs: number;
}

/**
 * Brings the credentials of the host to what is desired of them; of the renewals that are due, the
 * most urgent one at each look, so that supervision and reports go on while there are many. True if
 * any of them changed.
 */
export async function convergeCredentials(
  state: NodeState,
  link: AdminLink,
  instances: Instances,
): Promise<boolean> {
  let changed = false;
  const due: Renewal[] = [];
  await dropStrayPending(state);
  for (const wanted of state.desired?.credentials ?? []) {
    if (performance.now() < state.health(wanted.id).retryAtMs) continue;
    const done = await attempt(state, wanted, () => convergeOne(state, link, instances, wanted));
    if (typeof done === "object") due.push(done);
    else changed ||= done;
  }
  const [first] = due.toSorted((a, b) => a.notAfterMs - b.notAfterMs);
  if (first === undefined || performance.now() < state.renewAgainAtMs) return changed;
  const done = await attempt(state, first.wanted, () => renew(state, link, first));
  return done === true || changed;
}

/** What `work` gives; false, with the next try put off, if it throws. */
async function attempt<T extends boolean | Renewal>(
  state: NodeState,
  wanted: WantedCredential,
  work: () => Promise<T>,
): Promise<T | false> {
  const health = state.health(wanted.id);
  try {
    const done = await work();
    // One that is still to be renewed has its failures behind it only when it is.
    if (typeof done === "boolean") {
      health.failedRenewals = 0;
      health.lastError = null;
    }
    return done;
  } catch (error) {
    health.failedRenewals += 1;
    health.lastError = describeError(error);
    health.retryAtMs =
      performance.now() +
      Math.min(retryMsMax, retryMsMin * 2 ** (health.failedRenewals - 1)) *
        (0.5 + Math.random() / 2);
    state.log.warn(
      { credential: wanted.id, error: health.lastError, failures: health.failedRenewals },
      "the credential could not be renewed",
    );
    return false;
  }
}

async function convergeOne(
  state: NodeState,
  link: AdminLink,
  instances: Instances,
  wanted: WantedCredential,
): Promise<boolean | Renewal> {
  if (isFoundCredential(wanted)) {
    if (wanted.elsewhere?.isCollected === true) await pendingElsewhere(state, link, wanted);
    return false;
  }
  const folder = folderOf(state, wanted);
  const facts = await readFolder(folder);
  const presentedSerial = facts.current?.serial;
  const move = nextCredentialMove({
    desired: wanted,
    ...facts,
    nowMs: Date.now(),
    jitter: jitterOf(`${state.hostId} ${wanted.id} ${presentedSerial}`),
  });
  if (move.do === "renew" && wanted.isRenewedByPlan === true) return false;
  const isDue = move.do === "request" || move.do === "renew";
  const isCollected = wanted.elsewhere?.isCollected === true;
  if (wanted.elsewhere !== undefined && (isDue || isCollected)) {
    const pending = await pendingElsewhere(state, link, wanted);
    // What is collected is for later: until then the credential goes on as before.
    if (!isCollected) {
      if (pending === null) return false;
      await requestCertificate(state, link, wanted, { presentedSerial, pending });
      return true;
    }
  }
  if (!isDue && !isCollected) await dropPending(state, wanted);
  if (move.do === "nothing" || move.do === "wait") return false;
  if (move.do === "renew") return { wanted, presentedSerial, notAfterMs: move.notAfterMs };
  if (move.do === "present") await present(state, instances, wanted, move.sequence);
  else await requestCertificate(state, link, wanted, { presentedSerial });
  return true;
}

/** False if an Admin Node Manager has more urgent ones to do and told when to come again. */
async function renew(
  state: NodeState,
  link: AdminLink,
  { wanted, presentedSerial }: Renewal,
): Promise<boolean> {
  try {
    await requestCertificate(state, link, wanted, { presentedSerial });
    return true;
  } catch (error) {
    const retryAfterMs = isDomainError(error, "rate-limited") && error.context["retryAfterMs"];
    if (typeof retryAfterMs !== "number") throw error;
    if (wanted.id === state.credentialId) state.awaitsPresentation = false;
    state.renewAgainAtMs = performance.now() + retryAfterMs * (1 + Math.random() / 4);
    state.log.info({ credential: wanted.id, retryAfterMs }, "more urgent renewals come first");
    return false;
  }
}

async function requestCertificate(
  state: NodeState,
  link: AdminLink,
  wanted: WantedCredential,
  { presentedSerial, pending }: { presentedSerial: string | undefined; pending?: PendingKey },
): Promise<void> {
  // Before anything is issued that could not be written.
  const keys = keysOf(state, wanted);
  const { privateKey } = pending ?? (await generateKeyPair("ecdsa-p256"));
  if (wanted.id === state.credentialId) state.awaitsPresentation = state.isToBeAdmin;
  const issued = await link.call("issueCredential", {
    body: {
      credentialId: wanted.id,
      requestPem: pending?.requestPem ?? (await requestForKey(privateKey, wanted.subject)),
      ...(presentedSerial === undefined ? {} : { presentedSerial }),
    },
  });
  // On disk before anybody is told of it: a key that is recorded must never be lost.
  const key = { privateKey, keys };
  await installIssued(folderOf(state, wanted), key, issued.certificatePem, issued);
  await state.acceptTrust([], issued.hostDocument);
  if (wanted.id !== state.credentialId || !state.isToBeAdmin)
    raisePresentable(state, wanted.id, issued.sequence);
}

/** What was just issued may be presented without asking again; only an Admin Node Manager waits. */
function raisePresentable(state: NodeState, id: CredentialId, sequence: number): void {
  const wanted = state.received?.credentials.find((credential) => credential.id === id);
  if (wanted !== undefined)
    wanted.presentableSequence = Math.max(wanted.presentableSequence, sequence);
}

/**
 * Presents a generation. Whoever verifies it on this host loads the new key first: the instances
 * that of their Node Manager; this process that of its instances with the host document.
 */
async function present(
  state: NodeState,
  instances: Instances,
  wanted: WantedCredential,
  sequence: number,
): Promise<void> {
  const folder = folderOf(state, wanted);
  if (wanted.process === state.processId) {
    await letInstancesLoad(state, instances);
    await presentAndPrune(folder, sequence);
    await state.loadIdentity();
    state.awaitsPresentation = false;
  } else {
    await presentAndPrune(folder, sequence);
    // A member's server takes it at the next look at the member.
    if (!isServiceUsage(wanted.usage)) await instances.reload(wanted.process);
  }
  state.log.info({ credential: wanted.id, sequence }, "presenting another certificate");
}

/**
 * Throws while a running instance has not loaded this Node Manager's new key. A certificate that is
 * about to end is replaced all the same: without one, no instance takes a call, and no peer either.
 */
async function letInstancesLoad(state: NodeState, instances: Instances): Promise<void> {
  try {
    await instances.reloadAll();
  } catch (error) {
    const [inUse] = parseCertificatesPem(state.identity.certificatePem);
    if (inUse === undefined || !isNearItsEnd(inUse, Date.now())) throw error;
    state.log.warn(
      { error: describeError(error) },
      "the certificate is about to end: the new one is presented before every instance has loaded it",
    );
  }
}

/** True if what was placed by hand for a member is to stay: nothing is asked for then. */
export function isFoundCredential({
  usage,
  maxSequence,
}: Pick<WantedCredential, "usage" | "maxSequence">): boolean {
  return isServiceUsage(usage) && maxSequence === 0;
}

/** The folder of a credential: the Node Manager's own, in its instance's, or the one for its member. */
export function folderOf(
  state: Pick<NodeState, "layout" | "processId" | "desired">,
  wanted: Pick<WantedCredential, "process" | "usage">,
): string {
  const { process, usage } = wanted;
  if (process === state.processId) return state.layout.nodeCredential;
  if (isServiceUsage(usage)) return state.layout.member(process).credential;
  return instanceFolder(state, process).credential(usage);
}

/** How the keys of a credential are protected here: those of an instance as its group says. */
export function keysOf(
  state: Pick<NodeState, "keys" | "groups" | "processId" | "desired">,
  { process, usage }: Pick<WantedCredential, "process" | "usage">,
): KeyProtection {
  if (process === state.processId || isServiceUsage(usage)) return state.keys;
  return state.groups.protectionOf(groupOf(state, process));
}

/** Between 0 and 1, always the same for the same text. */
function jitterOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) / 2 ** 32;
}
