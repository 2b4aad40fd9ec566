import type { FastifyInstance } from "fastify";
import type { Server } from "node:https";
import { collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { phaseOf } from "../planning/index.ts";
import type { AdminState } from "./admin-state.ts";
import { readOrRecall, type Reading } from "./cut-off.ts";
import { isHeardOf, shownMoment } from "./heard-of.ts";

/** Health, readiness and Prometheus metrics, outside the API: no login, no secrets. */
export function registerOperations(app: FastifyInstance<Server>, state: AdminState): void {
  const { registry, refresh } = domainMetrics(state);
  app.get("/health", { schema: { hide: true } }, async () => ({ status: "ok" }));
  app.get("/ready", { schema: { hide: true } }, async (_request, reply) => {
    const status = readiness(state);
    return reply.status(status === "ready" ? 200 : 503).send({ status });
  });
  app.get("/metrics", { schema: { hide: true } }, async (_request, reply) => {
    await refresh();
    return reply.type(registry.contentType).send(await registry.metrics());
  });
}

/** One that is cut off from its store still shows what it knew: whoever has a choice goes elsewhere. */
function readiness({ trust, env }: AdminState): "starting" | "cut-off" | "ready" {
  if (trust.epoch === 0) return "starting";
  return env.store.lastKnown() === null ? "ready" : "cut-off";
}

/** The gauges of the domain, and how to set them to what is true now. */
function domainMetrics(state: AdminState): { registry: Registry; refresh: () => Promise<unknown> } {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const gauges = domainGauges(registry);
  const refresh = (): Promise<unknown> => readOrRecall(state, show);
  const show = (reading: Reading): Promise<void> =>
    reading.env.store.read(async (view) => {
      for (const gauge of Object.values(gauges)) gauge.reset();
      gauges.store.set(reading.cutOff === null ? 1 : 0);
      gauges.epoch.set(state.trust.epoch);
      gauges.leads.set(state.candidate.leadership === null ? 0 : 1);
      const nowMs = state.env.clock.nowMs();
      const observations = await view.observations.hosts();
      for (const { hostId, credentials } of observations) {
        for (const { id, installed, failedRenewals } of credentials) {
          const labels = { credential: id, host: hostId };
          gauges.failed.set(labels, failedRenewals);
          if (installed !== null) gauges.days.set(labels, (installed.notAfterMs - nowMs) / dayMs);
        }
      }
      for (const { id, usage, status, notAfterMs } of await view.authorities.all()) {
        gauges.authorityDays.set({ authority: id, usage, status }, (notAfterMs - nowMs) / dayMs);
      }
      for (const rollout of await view.rollouts.open()) {
        const { id, kind, status } = rollout;
        gauges.phase.set({ rollout: id, kind, phase: phaseOf(rollout) ?? "none", status }, 1);
      }
      const lastOf = new Map(observations.map((last) => [last.hostId, last]));
      for (const host of await view.topology.hosts()) {
        const isThere = isHeardOf(state, shownMoment(reading), host, lastOf.get(host.id));
        gauges.connected.set({ host: host.id }, isThere ? 1 : 0);
      }
    });
  return { registry, refresh };
}

function domainGauges(registry: Registry) {
  const gauge = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Gauge({ name: `gatehouse_${name}`, help, labelNames, registers: [registry] });
  return {
    epoch: gauge("trust_epoch", "Epoch of the loaded trust document"),
    store: gauge("store_reachable", "0 while what is shown is what was last known"),
    leads: gauge("leads", "1 while this Admin Node Manager holds the lease"),
    days: gauge("credential_days_left", "Days until the certificate ends", "credential", "host"),
    failed: gauge("renewals_failed", "Failed tries since the last success", "credential", "host"),
    authorityDays: gauge(
      "authority_days_left",
      "Days until a CA certificate ends",
      "authority",
      "usage",
      "status",
    ),
    phase: gauge(
      "rollout_phase",
      "1 for the phase that an open rollout is in",
      "rollout",
      "kind",
      "phase",
      "status",
    ),
    connected: gauge("host_connected", "1 if the host's Node Manager is connected", "host"),
  };
}

const dayMs = 86_400_000;
