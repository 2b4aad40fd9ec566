import { DomainError } from "../kit/index.ts";
import type { Host } from "../domain/index.ts";
import type { StoreView } from "./ports.ts";

/** A domain without an Admin Node Manager could never be changed again. Throws `forbidden`. */
export async function refuseLastAdmin(view: StoreView, host: Host, instead: string): Promise<void> {
  const others = (await view.topology.hosts()).filter(
    ({ id, status, nodeManager }) => id !== host.id && status === "active" && nodeManager.isAdmin,
  );
  if (host.nodeManager.isAdmin && others.length === 0)
    throw new DomainError(
      "forbidden",
      `${host.nodeManager.id} on ${host.name} is the only Admin Node Manager: ${instead}`,
    );
}
