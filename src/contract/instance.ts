import { Type, type Static } from "typebox";
import type { RouteDefinition } from "./route.ts";
import {
  authorityId,
  gatewayConfiguration,
  groupId,
  hostId,
  list,
  name,
  nothing,
  nullable,
  pem,
  port,
  processId,
  secret,
  serial,
  strict,
  timeMs,
  usage,
} from "./schemas.ts";

const presented = strict({ serial, sequence: Type.Integer(), authorityId, notAfterMs: timeMs });

/** What a gateway instance says of itself to its Node Manager. */
const instanceStatus = strict({
  id: processId,
  pid: Type.Integer(),
  startedAtMs: timeMs,
  loadedEpoch: Type.Integer(),
  oldestConnectionEpoch: nullable(Type.Integer()),
  management: presented,
  traffic: nullable(presented),
  draining: Type.Boolean(),
  openRequests: Type.Integer(),
});
export type InstanceStatus = Static<typeof instanceStatus>;

/** What the Node Manager writes to `conf/instance.json`, and the instance reads at start and reload. */
export const instanceSettings = strict({
  id: processId,
  name,
  groupId,
  hostId,
  managementPort: port,
  servicesPort: port,
  configuration: gatewayConfiguration,
});
export type InstanceSettings = Static<typeof instanceSettings>;

/** The management port of a gateway instance: mutual TLS, its own host's Node Manager only. */
export const instanceRoutes = {
  getStatus: {
    method: "GET",
    path: "/status",
    access: "agent",
    status: 200,
    summary: "Loaded epoch, presented certificates, open connections",
    response: instanceStatus,
  },
  reload: {
    method: "POST",
    path: "/reload",
    access: "agent",
    status: 200,
    summary:
      "Loads credentials, trust and settings from the files again, without a restart; with the passphrases that open the keys",
    body: strict({
      passphrases: Type.Optional(strict({ current: nullable(secret), former: list(secret) })),
    }),
    response: instanceStatus,
  },
  requestProbes: {
    method: "POST",
    path: "/probe-requests",
    access: "agent",
    status: 201,
    summary:
      "Makes probe keys in memory and answers with a request for each credential that the authority's usage concerns",
    body: strict({ authorityId, usages: Type.Array(usage, { minItems: 1, maxItems: 2 }) }),
    response: strict({ requests: list(strict({ usage, requestPem: pem })) }),
  },
  installProbes: {
    method: "PUT",
    path: "/probes",
    access: "agent",
    status: 204,
    summary:
      "Takes the probe certificates; from now on they are shown under the authority's probe name",
    body: strict({ authorityId, certificates: list(strict({ usage, certificatePem: pem })) }),
    response: nothing,
  },
  stop: {
    method: "POST",
    path: "/stop",
    access: "agent",
    status: 204,
    summary: "Drains: readiness fails, open requests are finished, then the process ends",
    response: nothing,
  },
} as const satisfies Record<string, RouteDefinition>;
