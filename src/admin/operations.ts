import type { FastifyInstance } from "fastify";
import type { Server } from "node:https";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { phaseOf } from "../planning/index.ts";
import type { AdminState } from "./admin-state.ts";

/** Health, readiness and Prometheus metrics, outside the API: no login, no secrets. */
export function registerOperations(app: FastifyInstance<Server>, state: AdminState): void {
  const { registry, refresh } = domainMetrics(state);
  app.get("/health", { schema: { hide: true } }, async () => ({ status: "ok" }));
  app.get("/ready", { schema: { hide: true } }, async (_request, reply) => {
    const ready = state.trust.epoch > 0;
    return reply.status(ready ? 200 : 503).send({ status: ready ? "ready" : "starting" });
  });
  app.get("/metrics", { schema: { hide: true } }, async (_request, reply) => {
    await refresh();
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

function domainMetrics(state: AdminState): { registry: Registry; refresh: () => Promise<void> } {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
  ): Gauge<Label> => new Gauge({ name, help, labelNames, registers: [registry] });
  const epoch = gauge("gatehouse_trust_epoch", "Epoch of the loaded trust document", []);
  const days = gauge(
    "gatehouse_credential_days_left",
    "Days until the installed certificate ends",
    ["credential", "host"],
  );
  const failed = gauge(
    "gatehouse_renewals_failed",
    "Failed tries since the last successful renewal",
    ["credential", "host"],
  );
  const authorityDays = gauge("gatehouse_authority_days_left", "Days until a CA certificate ends", [
    "authority",
    "usage",
    "status",
  ]);
  const phase = gauge("gatehouse_rollout_phase", "1 for the phase that an open rollout is in", [
    "rollout",
    "kind",
    "phase",
    "status",
  ]);
  const connected = gauge(
    "gatehouse_host_connected",
    "1 if the Node Manager of the host is connected",
    ["host"],
  );
  const refresh = (): Promise<void> =>
    state.env.store.read(async (view) => {
      days.reset();
      failed.reset();
      authorityDays.reset();
      phase.reset();
      connected.reset();
      epoch.set(state.trust.epoch);
      const nowMs = state.env.clock.nowMs();
      for (const host of await view.observations.hosts()) {
        for (const { id, installed, failedRenewals } of host.credentials) {
          failed.set({ credential: id, host: host.hostId }, failedRenewals);
          if (installed !== null)
            days.set({ credential: id, host: host.hostId }, (installed.notAfterMs - nowMs) / dayMs);
        }
      }
      for (const { id, usage, status, notAfterMs } of await view.authorities.all())
        authorityDays.set({ authority: id, usage, status }, (notAfterMs - nowMs) / dayMs);
      for (const rollout of await view.rollouts.open())
        phase.set(
          {
            rollout: rollout.id,
            kind: rollout.kind,
            phase: phaseOf(rollout) ?? "none",
            status: rollout.status,
          },
          1,
        );
      for (const host of await view.topology.hosts())
        connected.set({ host: host.id }, state.presence.isConnected(host.id) ? 1 : 0);
    });
  return { registry, refresh };
}

const dayMs = 86_400_000;
