import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { NodeState } from "./node-state.ts";
import { folderOf } from "./credentials.ts";
import { readFolder } from "./credential-folder.ts";

const dayMs = 86_400_000;
const registry = new Registry();
collectDefaultMetrics({ register: registry });
const gauge = <Label extends string>(
  name: string,
  help: string,
  labelNames: Label[],
): Gauge<Label> => new Gauge({ name, help, labelNames, registers: [registry] });
const epoch = gauge("gatehouse_trust_epoch", "Epoch of the loaded trust document", []);
const connected = gauge("gatehouse_admin_connected", "1 if an Admin Node Manager answers", []);
const called = gauge(
  "gatehouse_admin_called",
  "1 for the Admin Node Manager that this host calls, while it answers",
  ["admin"],
);
const days = gauge("gatehouse_credential_days_left", "Days until the installed certificate ends", [
  "credential",
]);
const failed = gauge(
  "gatehouse_renewals_failed",
  "Failed tries since the last successful renewal",
  ["credential"],
);

/** Prometheus metrics of a Node Manager and of the credentials that it keeps. */
export async function nodeMetrics(
  state: NodeState,
): Promise<{ contentType: string; text: string }> {
  days.reset();
  failed.reset();
  epoch.set(state.trust.epoch);
  connected.set(state.isConnected ? 1 : 0);
  called.reset();
  if (state.isConnected && state.admin !== null) called.set({ admin: state.admin.id }, 1);
  const { layout, processId, desired } = state;
  for (const wanted of desired?.credentials ?? []) {
    const { current } = await readFolder(folderOf({ layout, processId, desired }, wanted));
    failed.set({ credential: wanted.id }, state.health(wanted.id).failedRenewals);
    if (current !== null)
      days.set({ credential: wanted.id }, (current.notAfterMs - Date.now()) / dayMs);
  }
  return { contentType: registry.contentType, text: await registry.metrics() };
}
