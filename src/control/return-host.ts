import { DomainError, fromHex, type HostId } from "../kit/index.ts";
import { credentialId, returnProofText, revokedRemedy, type Host } from "../domain/index.ts";
import { base64Decode, spkiFingerprint, utf8Encode } from "../pki/index.ts";
import { admitOrAwait, type Admission, type AwaitedAdmission } from "./admission.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreView } from "./ports.ts";
import { currentTrust, isDenied, requireHost } from "./publish-trust.ts";

export interface ReturnRequest {
  readonly hostId: HostId;
  /** Hex, given out before and not used since; the caller checks that. */
  readonly nonce: string;
  readonly requestPem: string;
  /** Base64 of the SPKI of the last key, and of its signature over `returnMessage`. */
  readonly lastKey: string;
  readonly proof: string;
}

/** The bytes that a returning host signs with its last key. */
export function returnMessage(
  request: Pick<ReturnRequest, "hostId" | "nonce" | "requestPem">,
): Uint8Array {
  return utf8Encode(returnProofText(request));
}

/**
 * Re-enrols a host whose certificate or trust is out of date. The last key must be the recorded one,
 * not denied, and the host away for less than the rejoin window; after longer it is quarantined
 * until an administrator approves it. This is the only use case that ignores the expiry of the
 * certificate it is shown the key of.
 */
export async function returnHost(
  env: ControlEnvironment,
  request: ReturnRequest,
  isInUse: boolean,
): Promise<Admission | AwaitedAdmission> {
  const { host, lastSerial } = await env.store.read((view) => provenHost(view, env, request));
  if (host.status === "quarantined") {
    throw new DomainError(
      "quarantined",
      `host ${host.name} waits for approval: an administrator runs \`gatehouse host approve ${host.id}\``,
    );
  }
  if (isInUse)
    throw new DomainError(
      "identity-in-use",
      `another process uses the identity of ${host.name}: stop it, or delete the host and join anew`,
    );
  const observation = await env.store.read((view) => view.observations.host(host.id));
  const awayMs = env.clock.nowMs() - (observation?.receivedAtMs ?? env.clock.nowMs());
  if (awayMs > env.policy.rejoinWindowSeconds * 1000) {
    const entry = {
      actor: `host:${host.id}`,
      action: "host.quarantine",
      subject: host.id,
      detail: { awaySeconds: Math.round(awayMs / 1000) },
    };
    await env.store.write(entry, async (tx) =>
      tx.topology.putHost({ ...(await requireHost(tx, host.id)), status: "quarantined" }),
    );
    throw new DomainError(
      "quarantined",
      `host ${host.name} was away for longer than the rejoin window: an administrator runs \`gatehouse host approve ${host.id}\``,
    );
  }
  const { requestPem } = request;
  const wish = { requestPem, presentedSerial: lastSerial };
  return admitOrAwait(env, host, wish, `host:${host.id}`);
}

async function provenHost(
  view: StoreView,
  env: ControlEnvironment,
  request: ReturnRequest,
): Promise<{ host: Host; lastSerial: string }> {
  const refuse = (why: string): never => {
    throw new DomainError(
      "forbidden",
      `the host cannot come back: ${why}; join it anew with a token`,
    );
  };
  const host = await view.topology.host(request.hostId);
  if (host === undefined) return refuse(`${request.hostId} is not in the topology any more`);
  if (host.status === "revoked")
    throw new DomainError("denied", `host ${host.name} was revoked: ${revokedRemedy(host)}`);
  const lastKey = base64Decode(request.lastKey);
  const proof = base64Decode(request.proof);
  if (lastKey === null || proof === null || fromHex(request.nonce).length !== 32)
    return refuse("its proof cannot be read");
  const credential = await view.credentials.get(credentialId(host.nodeManager.id, "management"));
  const spki = spkiFingerprint(lastKey, env.crypto);
  const recorded = credential?.recorded.find((key) => key.spki === spki);
  if (recorded === undefined) return refuse("its last key is not the one recorded for it");
  const { denied } = await currentTrust(view);
  if (await isDenied(view, denied, recorded)) return refuse("its last key is denied");
  if (!env.crypto.verify(lastKey, returnMessage(request), proof, "ecdsa-sha256"))
    return refuse("its proof does not verify");
  return { host, lastSerial: recorded.serial };
}

/**
 * Ends a quarantine: the host may return as if it had not been away too long. Throws `conflict` for
 * a host that is not quarantined, `not-found`.
 */
export async function approveHost(
  env: ControlEnvironment,
  id: HostId,
  actor: string,
): Promise<void> {
  await env.store.write({ actor, action: "host.approve", subject: id, detail: {} }, async (tx) => {
    const host = await requireHost(tx, id);
    if (host.status === "revoked")
      throw new DomainError(
        "conflict",
        `host ${host.name} (${id}) was revoked and cannot be approved: ${revokedRemedy(host)}`,
      );
    if (host.status === "active")
      throw new DomainError(
        "conflict",
        `host ${host.name} (${id}) is not quarantined, so there is nothing to approve: \`gatehouse host list\` shows which hosts wait`,
      );
    await tx.topology.putHost({ ...host, status: "active" });
    const observation = await tx.observations.host(id);
    if (observation === undefined) return;
    // The time counts as heard of, and nobody has the identity.
    const { receivedBy: _nobody, ...rest } = observation;
    await tx.observations.putHost({ ...rest, receivedAtMs: env.clock.nowMs() });
  });
}
