import type { HostId } from "../kit/index.ts";
import type { Finding } from "../domain/index.ts";
import type { StoreView } from "../control/index.ts";

/**
 * Hosts that hold trust which this store has never published. Only this domain's trust-signing key
 * makes such a document, so the store is older than it was: it was restored from a backup.
 */
export class StrayTrust {
  readonly #strays = new Map<HostId, { readonly epoch: number; readonly head: number }>();

  /** Looks for what a host says it has loaded in the chain that was published. */
  async note(
    view: Pick<StoreView, "trust">,
    hostId: HostId,
    loaded: { readonly epoch: number; readonly trustHash?: string },
  ): Promise<void> {
    if (loaded.epoch === 0) return;
    const [link] = await view.trust.after(loaded.epoch - 1, 1);
    const isKnown =
      link !== undefined && (loaded.trustHash === undefined || loaded.trustHash === link.hash);
    if (isKnown) this.#strays.delete(hostId);
    else
      this.#strays.set(hostId, {
        epoch: loaded.epoch,
        head: (await view.trust.head())?.epoch ?? 0,
      });
  }

  findings(): Finding[] {
    return [...this.#strays].map(([hostId, { epoch, head }]) => ({
      code: "store-behind",
      severity: "error",
      subject: hostId,
      text: `${hostId} holds trust epoch ${epoch}, which this store, at epoch ${head}, has never published: it was restored from an older backup; stop this Admin Node Manager and restore a newer one, or delete such hosts and let them join anew`,
    }));
  }

  /** A host that is gone has nothing to hold. */
  forget(hostId: HostId): void {
    this.#strays.delete(hostId);
  }
}
