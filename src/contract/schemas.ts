import { Type, type TSchema } from "typebox";
import type {
  AuthorityId,
  CredentialId,
  GroupId,
  HostId,
  PlanId,
  ProcessId,
  RelyingPartyId,
  RolloutId,
  ServiceId,
} from "../kit/index.ts";
import type { AuthorityUsage } from "../domain/index.ts";

/** An identifier: text in JSON, a branded id in TypeScript. */
function id<T extends string>(description: string): ReturnType<typeof Type.Unsafe<T>> {
  return Type.Unsafe<T>({ type: "string", minLength: 1, maxLength: 128, description });
}

export const hostId = id<HostId>("host, as host-1");
export const processId = id<ProcessId>("process, as nodemanager-1 or instance-1");
export const groupId = id<GroupId>("group, as group-2");
export const credentialId = id<CredentialId>("credential, as instance-1/traffic");
export const authorityId = id<AuthorityId>("authority, as management-1");
export const planId = id<PlanId>("plan");
export const rolloutId = id<RolloutId>("rollout");
export const relyingPartyId = id<RelyingPartyId>("relying party");

export const name = Type.String({ minLength: 1, maxLength: 256 });
export const port = Type.Integer({ minimum: 1, maximum: 65_535 });
export const timeMs = Type.Number({ description: "milliseconds since 1970-01-01T00:00:00Z" });
export const pem = Type.String({ minLength: 1, maxLength: 65_536, description: "PEM text" });
export const hexDigest = Type.String({
  pattern: "^[0-9a-f]{64}$",
  description: "a hexadecimal SHA-256",
});
export const serial = Type.String({
  pattern: "^[0-9a-f]{1,40}$",
  description: "a serial number: 1 to 40 hexadecimal digits in lower case",
});
export const secret = Type.String({ minLength: 1, maxLength: 1024, description: "never logged" });

export const nullable = <Schema extends TSchema>(schema: Schema) =>
  Type.Union([schema, Type.Null()]);
export const list = <Schema extends TSchema>(schema: Schema) =>
  Type.Array(schema, { maxItems: 100_000 });
export const strict = <Properties extends Record<string, TSchema>>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false });
export const nothing = Type.Null();

/** Which end opens the connections between a Node Manager and the Admin Node Managers. */
export const dial = Type.Union([Type.Literal("nm"), Type.Literal("anm")]);
export const serviceId = Type.Unsafe<ServiceId>({
  type: "string",
  pattern: "^service-[1-9][0-9]{0,8}$",
  description: "service, as service-1",
});
/** What certificates of an authority are for: our own processes, or a service. */
export const usage = Type.Unsafe<AuthorityUsage>({
  type: "string",
  pattern: "^(management|traffic|service-[1-9][0-9]{0,8})$",
  description: "management, traffic, or a service, as service-1",
});

export const envelope = strict({
  payload: Type.String({
    maxLength: 16_777_216,
    description: "base64 of the signed JSON document",
  }),
  signature: Type.String({ maxLength: 1024 }),
  keyId: hexDigest,
});

/** How far the logs of the Admin Node Managers were read; `control` reads and writes it. */
export const logCursor = Type.String({
  maxLength: 4096,
  pattern: "^([a-z0-9-]+:[0-9]{1,15}(,[a-z0-9-]+:[0-9]{1,15})*)?$",
  description: "last position read of each log, as nodemanager-1:12,nodemanager-7:3; empty: none",
});

/** A part of the logs: what follows after a cursor. */
export const logPage = strict({
  after: Type.Optional(logCursor),
  limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
});

export const finding = strict({
  code: Type.String(),
  severity: Type.Union([Type.Literal("info"), Type.Literal("warning"), Type.Literal("error")]),
  subject: Type.String(),
  text: Type.String(),
});

/** RFC 9457 problem details, with our error code and the values it is about. */
export const problem = strict({
  type: Type.String({ description: "URI reference of the page about the error code" }),
  title: Type.String(),
  status: Type.Integer(),
  detail: Type.String(),
  code: Type.String(),
  context: Type.Record(
    Type.String(),
    Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]),
  ),
});

const path = Type.String({
  pattern: "^/",
  maxLength: 1024,
  description: "a path that begins with /",
});

const upstream = Type.String({ pattern: "^http://[^/]+$", description: "http://host:port" });

const route = strict({
  host: nullable(name),
  pathPrefix: path,
  upstreams: Type.Array(upstream, { minItems: 1, maxItems: 64 }),
  healthPath: nullable(path),
});

export const sealingKey = Type.String({
  maxLength: 1024,
  description: "SPKI (base64) of the key that the trust-signing key is sealed to",
});

/** What an Admin Node Manager needs besides a certificate: the store, and the trust-signing key, sealed to its own key. */
export const adminSecrets = strict({
  databaseUrl: Type.String({ maxLength: 4096, description: "without a password" }),
  databaseIdentity: strict({ systemIdentifier: Type.String(), timeline: Type.Integer() }),
  sealedTrustKey: Type.String({ maxLength: 8192, description: "JWE in compact form" }),
});

export const gatewayConfiguration = strict({
  routes: Type.Array(route, { maxItems: 1000 }),
  dnsNames: Type.Array(name, { maxItems: 64 }),
});
