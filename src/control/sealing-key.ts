import type { HostId } from "../kit/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { requireHost } from "./publish-trust.ts";

/** Notes the key (SPKI, base64) for which others seal what they share with this host's ANM. */
export async function recordSealingKey(
  env: ControlEnvironment,
  hostId: HostId,
  sealingKey: string,
): Promise<void> {
  const { nodeManager } = await env.store.read((view) => requireHost(view, hostId));
  if (nodeManager.sealingKey === sealingKey) return;
  const entry = {
    actor: `host:${hostId}`,
    action: "host.sealing-key",
    subject: hostId,
    detail: { sealingKey },
  };
  await env.store.write(entry, async (tx) => {
    const host = await requireHost(tx, hostId);
    await tx.topology.putHost({ ...host, nodeManager: { ...host.nodeManager, sealingKey } });
  });
}
