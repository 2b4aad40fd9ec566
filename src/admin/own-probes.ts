import { issueProbe } from "../control/index.ts";
import { encodePem } from "../pki/index.ts";
import { generateKeyPair, privateKeyToPem, requestForKey } from "../keys/index.ts";
import type { AdminState } from "./admin-state.ts";

/** Before its end, so that a probe that begins now still ends in time. */
const renewBeforeMs = 60_000;

/** Keeps a probe certificate of this server ready for every authority that is being introduced. */
export async function prepareOwnProbes(state: AdminState): Promise<void> {
  const { env, probes, trust } = state;
  const anchored = new Set(trust.document.anchors.map((anchor) => anchor.authorityId));
  const next = (await env.store.read((view) => view.authorities.all())).filter(
    ({ id, usage, status }) => usage === "management" && status === "next" && anchored.has(id),
  );
  for (const { id } of next) {
    if (probes.has(id, env.clock.nowMs() + renewBeforeMs)) continue;
    const { privateKey } = await generateKeyPair("ecdsa-p256");
    const { der } = await issueProbe(env, {
      hostId: state.hostId,
      credentialId: state.credentialId,
      authorityId: id,
      requestPem: await requestForKey(privateKey, "CN=probe"),
    });
    const identity = {
      keyPem: privateKeyToPem(privateKey),
      certificatePem: encodePem("CERTIFICATE", der),
      authorityId: id,
      serial: "",
    };
    probes.set(id, identity, env.clock.nowMs() + env.policy.probeLifetimeSeconds * 1000);
  }
}
