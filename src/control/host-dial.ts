import { DomainError, type HostId } from "../kit/index.ts";
import type { Dial } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { requireHost } from "./publish-trust.ts";

/**
 * Says which end opens the connections between a host's Node Manager and the Admin Node Managers.
 * Throws `not-found`; `not-supported` for the host of an Admin Node Manager, which calls itself.
 */
export async function setHostDial(
  env: ControlEnvironment,
  { id, dial, actor }: { readonly id: HostId; readonly dial: Dial; readonly actor: string },
): Promise<void> {
  const entry = { actor, action: "host.dial", subject: id, detail: { dial } };
  await env.store.write(entry, async (tx) => {
    const host = await requireHost(tx, id);
    refuseDialledAdmin({ dial, isAdmin: host.nodeManager.isAdmin });
    await tx.topology.putHost({ ...host, dial });
  });
}

/** Throws `not-supported` for an Admin Node Manager that others are to dial. */
export function refuseDialledAdmin({ dial, isAdmin }: { dial: Dial; isAdmin: boolean }): void {
  if (dial === "anm" && isAdmin)
    throw new DomainError(
      "not-supported",
      "the host of an Admin Node Manager calls its own: `dial: anm` is for hosts without one",
    );
}
