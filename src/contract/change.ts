import { Type, type Static } from "typebox";
import type { Plan, Rollout } from "../planning/index.ts";
import type { RouteDefinition } from "./route.ts";
import {
  credentialId,
  finding,
  list,
  logCursor,
  logPage,
  name,
  nullable,
  pem,
  planId,
  processId,
  rolloutId,
  serial,
  serviceId,
  strict,
  timeMs,
  usage,
} from "./schemas.ts";

const openObject = <T>(description: string) => Type.Unsafe<T>({ type: "object", description });

const plan = openObject<Plan>(
  "the plan: steps, gates, what is replaced, who cannot be proven, what would break",
);

const rolloutView = strict({
  rollout: openObject<Rollout>("the rollout with its applied and coming steps"),
  phase: nullable(Type.String()),
  /** What the gate of the last step waits for now. */
  blockers: list(finding),
});
export type RolloutView = Static<typeof rolloutView>;

const rolloutParams = strict({ id: rolloutId });

/** Plans, rollouts, revocation and the audit log. */
export const changeRoutes = {
  createPlan: {
    method: "POST",
    path: "/plans",
    access: "administrator",
    status: 201,
    summary: "Computes a change without touching anything",
    body: Type.Union([
      strict({
        kind: Type.Literal("replace-leaves"),
        credentials: nullable(Type.Array(credentialId, { minItems: 1, maxItems: 100_000 })),
      }),
      strict({ kind: Type.Literal("take-over"), service: serviceId }),
      strict({
        kind: Type.Literal("rotate-ca"),
        strategy: Type.Optional(
          Type.Union([Type.Literal("overlap"), Type.Literal("documented")], {
            description: "for a service: how its members change; as its servers allow",
          }),
        ),
        usages: Type.Array(usage, { minItems: 1, maxItems: 2, uniqueItems: true }),
        observeSeconds: Type.Integer({ minimum: 0, maximum: 2_592_000 }),
        isKeyLost: Type.Optional(
          Type.Boolean({ description: "without the old key: no cross-certificate" }),
        ),
        subject: nullable(
          Type.String({
            maxLength: 64,
            description: "subject of the new management CA; null: chosen",
          }),
        ),
        signing: Type.Optional(Type.Literal("generated")),
        authority: Type.Optional(
          strict({
            signing: Type.Union([Type.Literal("provided"), Type.Literal("external")]),
            certificatePem: pem,
            intermediatesPem: Type.String({ maxLength: 65_536 }),
          }),
        ),
      }),
    ]),
    response: plan,
  },
  getPlan: {
    method: "GET",
    path: "/plans/:id",
    access: "operator",
    status: 200,
    summary: "A plan that was computed",
    params: strict({ id: planId }),
    response: plan,
  },
  startRollout: {
    method: "POST",
    path: "/rollouts",
    access: "administrator",
    status: 201,
    summary: "Starts a plan, if the domain is still as the plan found it",
    body: strict({ planId }),
    response: rolloutView,
  },
  listRollouts: {
    method: "GET",
    path: "/rollouts",
    access: "operator",
    status: 200,
    summary: "Rollouts, newest first",
    response: strict({ rollouts: list(rolloutView) }),
  },
  getRollout: {
    method: "GET",
    path: "/rollouts/:id",
    access: "operator",
    status: 200,
    summary: "A rollout and what it waits for",
    params: rolloutParams,
    response: rolloutView,
  },
  pauseRollout: {
    method: "POST",
    path: "/rollouts/:id/pause",
    access: "administrator",
    status: 200,
    summary: "Begins no further step",
    params: rolloutParams,
    response: rolloutView,
  },
  resumeRollout: {
    method: "POST",
    path: "/rollouts/:id/resume",
    access: "administrator",
    status: 200,
    summary: "Goes on where it was paused",
    params: rolloutParams,
    response: rolloutView,
  },
  rollBackRollout: {
    method: "POST",
    path: "/rollouts/:id/rollback",
    access: "administrator",
    status: 200,
    summary: "Presents the certificates from before again and denies what was introduced",
    params: rolloutParams,
    response: rolloutView,
  },
  waiveGate: {
    method: "POST",
    path: "/rollouts/:id/waivers",
    access: "administrator",
    status: 200,
    summary: "Lets one phase pass without the evidence of one party",
    params: rolloutParams,
    body: strict({
      subject: name,
      phase: Type.String({ maxLength: 32 }),
      reason: Type.String({ minLength: 1, maxLength: 1000 }),
      lifetimeSeconds: Type.Integer({ minimum: 1, maximum: 2_592_000 }),
    }),
    response: rolloutView,
  },
  revoke: {
    method: "POST",
    path: "/revocations",
    access: "administrator",
    status: 201,
    summary:
      "Denies every key of a process, or one certificate by its serial; live sessions are closed, an instance gets new keys, and a Node Manager takes its host with it",
    body: Type.Union([
      strict({ process: processId, reason: Type.String({ minLength: 1, maxLength: 1000 }) }),
      strict({ serial, reason: Type.String({ minLength: 1, maxLength: 1000 }) }),
    ]),
    response: strict({
      epoch: Type.Integer(),
      denied: Type.Integer(),
      /** Whose keys were denied; of a Node Manager, with all instances of its host. */
      processes: list(processId),
      acknowledged: Type.Boolean(),
    }),
  },
  listAudit: {
    method: "GET",
    path: "/audit",
    access: "operator",
    status: 200,
    summary: "Audit records, oldest first",
    query: logPage,
    response: strict({
      next: logCursor,
      records: list(
        strict({
          writer: Type.String({ description: "the Admin Node Manager that wrote it" }),
          position: Type.Integer({ description: "in the log of its writer" }),
          atMs: timeMs,
          actor: Type.String(),
          action: Type.String(),
          subject: Type.String(),
          detail: Type.Record(
            Type.String(),
            Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]),
          ),
        }),
      ),
    }),
  },
  verifyAudit: {
    method: "GET",
    path: "/audit/verification",
    access: "operator",
    status: 200,
    summary: "Recomputes every link of the issuance log and audit chain",
    response: strict({
      ok: Type.Boolean(),
      text: Type.String(),
      links: Type.Integer(),
      records: Type.Integer(),
      issuances: Type.Integer(),
    }),
  },
} as const satisfies Record<string, RouteDefinition>;
