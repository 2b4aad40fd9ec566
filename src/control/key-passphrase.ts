import type { HostId } from "../kit/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { sealingKeyOf, type SealSecret } from "./group-passphrase.ts";
import { requireHost } from "./publish-trust.ts";

/**
 * Has a host encrypt the keys that wait for a certificate from elsewhere by a passphrase, those that
 * wait already too. Throws `not-running` before its Node Manager has shown what to seal for.
 */
export async function setKeyPassphrase(
  env: ControlEnvironment,
  of: { readonly hostId: HostId; readonly passphrase: string; readonly actor: string },
  seal: SealSecret,
): Promise<void> {
  const { hostId, passphrase, actor } = of;
  const sealingKey = await env.store.read((view) => sealingKeyOf(view, hostId));
  const keyPassphrase = { sealingKey, text: await seal(passphrase, sealingKey) };
  const entry = { actor, action: "host.key-passphrase", subject: hostId, detail: {} };
  await env.store.write(entry, async (tx) =>
    tx.topology.putHost({ ...(await requireHost(tx, hostId)), keyPassphrase }),
  );
}
