import { createPrivateKey, randomBytes, sign } from "node:crypto";
import { DomainError } from "../kit/index.ts";
import { presentationProofText, type RestorationQuestion } from "../domain/index.ts";
import type { RouteBody } from "../contract/index.ts";
import { keyPairOf, readCurrent, verifyEnvelope } from "../keys/index.ts";
import { ApiCaller, apiPrefix, callApi, pinnedServerTls } from "../transport/index.ts";
import type { ServerAddress } from "../transport/index.ts";
import { folderOf } from "./credentials.ts";
import type { NodeState } from "./node-state.ts";

/**
 * Shows an Admin Node Manager that was restored from a backup what this host knows since: the signed
 * trust links that it lacks, and what was issued to this host. It asks for that with the
 * trust-signing key, which this host has pinned. False if it asks for nothing, or knew it all.
 */
export async function presentTrust(
  state: NodeState,
  server: ServerAddress,
  timeoutMs: number,
): Promise<boolean> {
  const question = await questionOf(state, server, timeoutMs);
  if (question === null) return false;
  const caller = new ApiCaller(
    { ...server, prefix: apiPrefix },
    pinnedServerTls(question.certificatePem),
  );
  try {
    const body = await presentation(state, question);
    const { isNews } = await callApi(caller, "presentTrust", { body, timeoutMs });
    if (isNews)
      state.log.info({ epoch: state.trust.epoch }, "showed a restored domain what this host knows");
    return isNews;
  } finally {
    caller.close();
  }
}

async function questionOf(
  { trust }: NodeState,
  server: ServerAddress,
  timeoutMs: number,
): Promise<RestorationQuestion | null> {
  const challenge = randomBytes(32).toString("hex");
  const caller = new ApiCaller({ ...server, prefix: apiPrefix }, { rejectUnauthorized: false });
  try {
    const { question } = await callApi(caller, "getRestoration", {
      body: { challenge },
      timeoutMs,
    });
    if (question === null) return null;
    const signer = Buffer.from(trust.document.signingKey, "base64");
    const payload = verifyEnvelope("restoration", question, signer);
    const asked = JSON.parse(Buffer.from(payload).toString("utf8")) as RestorationQuestion;
    if (asked.challenge === challenge && asked.domain === trust.document.domain) return asked;
    throw new DomainError("untrusted-server", "the question of a restored domain is an old one");
  } finally {
    caller.close();
  }
}

async function presentation(
  state: NodeState,
  { nonce, after }: RestorationQuestion,
): Promise<RouteBody<"presentTrust">> {
  const { trust, hostId, identity } = state;
  const { epoch, hash: trustHash } = trust;
  const { host } = trust.save();
  if (host === null)
    throw new DomainError("state-corrupt", "this host has no document of its own yet");
  const lastKey = createPrivateKey(identity.keyPem);
  const text = presentationProofText({ hostId, nonce, epoch, trustHash });
  const links = trust.recent.slice(Math.max(0, trust.recent.length - Math.max(0, epoch - after)));
  return {
    hostId,
    nonce,
    epoch,
    trustHash,
    lastKey: Buffer.from(keyPairOf(lastKey).spki).toString("base64"),
    proof: sign("sha256", Buffer.from(text), lastKey).toString("base64"),
    links: [...links],
    hostDocument: host,
    certificates: await certificatesOf(state),
    instances: state.desired?.instances ?? [],
  };
}

async function certificatesOf(
  state: NodeState,
): Promise<RouteBody<"presentTrust">["certificates"]> {
  const found = [];
  const { layout, processId, desired } = state;
  for (const wanted of desired?.credentials ?? []) {
    const generation = await readCurrent(folderOf({ layout, processId, desired }, wanted));
    if (generation === null) continue;
    const { sequence, certificatePem } = generation;
    found.push({ credentialId: wanted.id, sequence, certificatePem });
  }
  return found;
}
