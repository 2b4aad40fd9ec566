import { Type, type Static } from "typebox";
import type {
  DocumentedMember,
  MemberObservation,
  Service,
  ServiceVerdict,
} from "../domain/index.ts";
import type { RouteDefinition } from "./route.ts";
import {
  finding,
  list,
  name,
  nothing,
  nullable,
  pem,
  processId,
  hostId,
  serviceId,
  strict,
  timeMs,
} from "./schemas.ts";

const variables = Type.Record(name, Type.Union([Type.String({ maxLength: 4096 }), Type.Integer()]));
/** Objects of the server's own configuration by name; a member's properties come before its service's. */
const settings = Type.Record(name, Type.Record(name, Type.Unknown()));
const names = Type.Array(name, { maxItems: 64 });

/** One service in the file of `gatehouse apply -f`; the command line has read the files that it names. */
const declaredService = strict({
  name,
  shape: Type.Union([Type.Literal("replicas"), Type.Literal("pair"), Type.Literal("cluster")]),
  /** A driver that comes with Gatehouse by its name, or a description. */
  driver: Type.Union([name, Type.Unsafe<Record<string, unknown>>({ type: "object" })]),
  supervised: Type.Optional(Type.Boolean()),
  maxUnavailable: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
  dnsNames: Type.Optional(names),
  variables: Type.Optional(variables),
  settings: Type.Optional(settings),
  /** The servers run with the credentials that they came with, or none; a plan replaces them. */
  builtIn: Type.Optional(Type.Boolean()),
  /** CA certificate of the files that were placed by hand. */
  foundCa: Type.Optional(pem),
  members: Type.Array(
    strict({
      name,
      host: name,
      variables: Type.Optional(variables),
      settings: Type.Optional(settings),
      dnsNames: Type.Optional(names),
      pair: Type.Optional(name),
      enabled: Type.Optional(Type.Boolean()),
    }),
    { minItems: 1, maxItems: 1000 },
  ),
});

/** What `gatehouse apply -f` sends. */
export const declaration = strict({
  services: Type.Array(declaredService, { minItems: 1, maxItems: 100 }),
});
export type Declaration = Static<typeof declaration>;

const serviceView = strict({
  id: serviceId,
  name,
  shape: Type.Unsafe<Service["shape"]>(Type.String()),
  driver: name,
  supervised: Type.Boolean(),
  members: list(
    strict({
      id: processId,
      name,
      hostId,
      pair: nullable(name),
      state: Type.String(),
      /** When its host was last heard of; null: never. */
      seenAtMs: nullable(timeMs),
      observed: nullable(Type.Unsafe<MemberObservation>({ type: "object" })),
    }),
  ),
});
export type ServiceView = Static<typeof serviceView>;

const serviceParams = strict({ service: name });

/** Services of other vendors' servers, and their members. */
export const serviceRoutes = {
  applyServices: {
    method: "POST",
    path: "/services",
    access: "administrator",
    status: 200,
    summary: "Makes services what is declared; those that are not named stay as they are",
    body: declaration,
    response: strict({
      services: list(
        strict({
          id: serviceId,
          name,
          changes: Type.Array(Type.String()),
          notes: Type.Array(
            Type.String({
              description: "what the driver has to say of settings that are not wrong",
            }),
          ),
        }),
      ),
    }),
  },
  listServices: {
    method: "GET",
    path: "/services",
    access: "operator",
    status: 200,
    summary: "Every service with its members, as last observed",
    response: strict({ services: list(serviceView) }),
  },
  getService: {
    method: "GET",
    path: "/services/:service",
    access: "operator",
    status: 200,
    summary: "One service, by its name or id",
    params: serviceParams,
    response: serviceView,
  },
  getServiceStatus: {
    method: "GET",
    path: "/services/:service/status",
    access: "operator",
    status: 200,
    summary:
      "One verdict over all members, and the documented status from each member's own point of view",
    params: serviceParams,
    response: strict({
      name,
      health: Type.Unsafe<ServiceVerdict["health"]>(
        Type.String({ description: "good, degraded, down or unknown" }),
      ),
      findings: list(finding),
      members: list(Type.Unsafe<DocumentedMember>({ type: "object" })),
      /** What changed, the newest first. */
      history: list(
        strict({
          atMs: timeMs,
          member: name,
          what: Type.String(),
          from: Type.String(),
          to: Type.String(),
        }),
      ),
    }),
  },
  switchOver: {
    method: "PUT",
    path: "/services/:service/active",
    access: "administrator",
    status: 200,
    summary: "Makes another member of a pair the active one",
    params: serviceParams,
    body: strict({
      member: nullable(name),
      by: Type.Union([Type.Literal("hand-over"), Type.Literal("promotion")]),
    }),
    response: strict({ id: processId, name }),
  },
  deleteService: {
    method: "DELETE",
    path: "/services/:service",
    access: "administrator",
    status: 204,
    summary: "Removes a service; supervised members are stopped, others run on with what they have",
    params: serviceParams,
    response: nothing,
  },
} as const satisfies Record<string, RouteDefinition>;
