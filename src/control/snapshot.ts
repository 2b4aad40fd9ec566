import type { DomainSnapshot } from "../planning/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import type { StoreView } from "./ports.ts";
import { currentTrust } from "./publish-trust.ts";

/** Reads everything that plans and gates look at, from one view of the store. */
export async function readSnapshot(
  view: StoreView,
  env: Pick<ControlEnvironment, "clock" | "policy">,
  revision: number,
): Promise<DomainSnapshot> {
  return {
    nowMs: env.clock.nowMs(),
    revision,
    topology: await view.topology.whole(),
    authorities: await view.authorities.all(),
    credentials: await view.credentials.all(),
    foreign: await view.issuances.foreign(env.clock.nowMs()),
    signingRequests: await view.signingRequests.all(),
    trust: await currentTrust(view),
    hosts: await view.observations.hosts(),
    relyingParties: await view.observations.relyingParties(),
    silentAfterMs: env.policy.silentAfterSeconds * 1000,
  };
}
