import { Type, type Static } from "typebox";
import type { MemberStatus } from "../domain/index.ts";
import type { RouteDefinition } from "./route.ts";
import {
  adminSecrets,
  authorityId,
  credentialId,
  dial,
  envelope,
  finding,
  gatewayConfiguration,
  groupId,
  hexDigest,
  list,
  name,
  nothing,
  nullable,
  pem,
  port,
  processId,
  sealingKey,
  serial,
  serviceId,
  strict,
  timeMs,
  usage,
} from "./schemas.ts";

const edgeProof = strict({
  verifier: Type.Unsafe<Static<typeof processId>>({ type: "string" }),
  presenter: processId,
  authorityId,
  verifierEpoch: Type.Integer(),
  atMs: timeMs,
});

/** What a certificate is to say that is signed elsewhere, and how far its request has come. */
export const elsewhereSigned = strict({
  authorityId,
  profile: Type.Union([
    Type.Literal("anm"),
    Type.Literal("nm"),
    Type.Literal("gateway"),
    Type.Literal("traffic"),
    Type.Literal("member"),
  ]),
  subject: Type.String(),
  alternativeNames: list(name),
  requestedSpki: nullable(hexDigest),
  isSigned: Type.Boolean(),
  isCollected: Type.Boolean(),
});

const variables = Type.Record(name, Type.Union([Type.String({ maxLength: 4096 }), Type.Integer()]));

/** A member of a service on this host, and the others as its driver may have to name them. */
const wantedMember = strict({
  id: processId,
  name,
  serviceId,
  serviceName: name,
  shape: Type.Union([Type.Literal("replicas"), Type.Literal("pair"), Type.Literal("cluster")]),
  /** The driver's description, variables unresolved; `drivers` checks it again before it acts on it. */
  description: Type.Unsafe<Readonly<Record<string, unknown>>>({ type: "object" }),
  variables,
  /** Configuration of the server itself, for drivers whose code sends it; absent: none. */
  settings: Type.Optional(Type.Unsafe<Readonly<Record<string, unknown>>>({ type: "object" })),
  supervised: Type.Boolean(),
  enabled: Type.Boolean(),
  /** Whose CAs it trusts: their certificates are in the trust document. */
  trusts: list(authorityId),
  role: nullable(
    strict({
      role: Type.Union([Type.Literal("active"), Type.Literal("standby")]),
      by: Type.Union([Type.Literal("hand-over"), Type.Literal("promotion")]),
    }),
  ),
  others: list(strict({ id: processId, name, address: name, pair: nullable(name), variables })),
  pair: nullable(name),
});
export type WantedMember = Static<typeof wantedMember>;

/** What a Node Manager should make true on its host. */
const desiredState = strict({
  revision: Type.Integer(),
  /** Links of the trust chain that the agent does not have yet, in order. */
  trust: list(envelope),
  hostDocument: envelope,
  credentials: list(
    strict({
      id: credentialId,
      process: processId,
      usage,
      authorityId,
      minSequence: Type.Integer(),
      maxSequence: nullable(Type.Integer()),
      /** Generations above this one are installed but not presented yet: some peer does not know the key. */
      presentableSequence: Type.Integer(),
      subject: Type.String(),
      /** Its renewal is a plan's, which knows when its server may be restarted; absent: it is the agent's. */
      isRenewedByPlan: Type.Optional(Type.Boolean()),
      /** Somebody elsewhere signs the next certificate, from a request that says all of it; absent: nobody. */
      elsewhere: Type.Optional(elsewhereSigned),
    }),
  ),
  instances: list(
    strict({
      id: processId,
      name,
      groupId,
      managementPort: port,
      servicesPort: port,
      enabled: Type.Boolean(),
      configuration: gatewayConfiguration,
    }),
  ),
  /** Absent from an Admin Node Manager that does not know it: as it is. */
  dial: Type.Optional(dial),
  /** What the Node Manager is to be; absent from an Admin Node Manager that does not know it: as it is. */
  role: Type.Optional(
    strict({
      isAdmin: Type.Boolean(),
      name: Type.Optional(name),
      port: Type.Optional(port),
      /** Keys that stay on a host that is no Admin Node Manager any more: nobody else has them. */
      keepKeysOf: list(authorityId),
    }),
  ),
  /** Passphrases of the groups of its instances; absent from one that knows none: as they are. */
  passphrases: Type.Optional(
    list(
      strict({
        groupId,
        version: Type.Integer(),
        /** False: it was taken away. */
        isSet: Type.Boolean(),
        /** For the key that the agent reported; null: not for this host yet. */
        sealed: nullable(Type.String({ maxLength: 8192, description: "JWE in compact form" })),
      }),
    ),
  ),
  /** Encrypts keys that wait for a certificate, sealed as those of groups; null: none was given. */
  keyPassphrase: Type.Optional(
    nullable(Type.String({ maxLength: 8192, description: "JWE in compact form" })),
  ),
  /** Members of services on this host; absent from an Admin Node Manager that knows none. */
  members: Type.Optional(list(wantedMember)),
  /** Authorities of which the agent proves every edge of its host with probe certificates. */
  prove: list(authorityId),
});
export type DesiredState = Static<typeof desiredState>;

const memberReport = strict({
  id: processId,
  installed: nullable(
    strict({ sequence: Type.Integer({ minimum: 0 }), trusts: list(authorityId) }),
  ),
  accepts: list(authorityId),
  status: nullable(Type.Unsafe<MemberStatus>({ type: "object" })),
  changedFiles: list(Type.String({ maxLength: 4096 })),
  findings: Type.Array(finding, { maxItems: 200 }),
  problem: nullable(Type.String({ maxLength: 1000 })),
});

/** What a later version's Node Manager says more is passed over: versions meet while they are upgraded. */
const observedReport = Type.Object({
  bootId: Type.String({ minLength: 8, maxLength: 64 }),
  /** Rises with every report of one start, so that one that arrives late replaces no newer one. */
  sequence: Type.Optional(Type.Integer({ minimum: 1 })),
  /** Of the desired state that the host follows; absent: it has none yet. */
  revision: Type.Optional(Type.Integer({ minimum: 0 })),
  /** On which it, or its Admin Node Manager, listens. */
  port: Type.Optional(port),
  admin: Type.Optional(
    Type.Object({
      isAdmin: Type.Boolean(),
      hasDatabaseLogin: Type.Boolean(),
      problem: nullable(Type.String({ maxLength: 1000 })),
    }),
  ),
  keys: Type.Optional(
    Type.Object({
      isEncrypted: Type.Boolean(),
      sealingKey,
      groups: list(Type.Object({ groupId, version: Type.Integer() })),
    }),
  ),
  processes: list(
    strict({
      id: processId,
      state: Type.Union([
        Type.Literal("running"),
        Type.Literal("starting"),
        Type.Literal("stopped"),
        Type.Literal("failed"),
      ]),
      pid: nullable(Type.Integer()),
      loadedEpoch: nullable(Type.Integer()),
      filesEpoch: Type.Integer(),
      oldestConnectionEpoch: nullable(Type.Integer()),
      lastError: nullable(Type.String({ maxLength: 1000 })),
    }),
  ),
  credentials: list(
    strict({
      id: credentialId,
      installed: nullable(
        strict({ sequence: Type.Integer(), serial, authorityId, notAfterMs: timeMs }),
      ),
      seenOnWire: nullable(strict({ serial, by: processId, atMs: timeMs })),
      failedRenewals: Type.Integer(),
      lastError: nullable(Type.String({ maxLength: 1000 })),
    }),
  ),
  members: Type.Optional(list(memberReport)),
  proofs: list(edgeProof),
});
export type ObservedReport = Static<typeof observedReport>;

const issuedCertificate = strict({
  certificatePem: pem,
  serial,
  authorityId,
  sequence: Type.Integer(),
  notBeforeMs: timeMs,
  notAfterMs: timeMs,
  /** The slot in which to renew: a random moment in it is chosen by the agent. */
  renewFromMs: timeMs,
  renewUntilMs: timeMs,
  /** The host's document with the new key in it; peers on the host load it before the key is shown. */
  hostDocument: envelope,
});
export type IssuedCertificate = Static<typeof issuedCertificate>;

const localIssuance = strict({
  number: Type.Integer({ minimum: 1 }),
  /** Hex SHA-256 of the entry before; null for the first. */
  previous: nullable(hexDigest),
  atMs: timeMs,
  credentialId,
  authorityId,
  sequence: nullable(Type.Integer({ minimum: 1 })),
  certificatePem: pem,
});

const probeCertificate = strict({ certificatePem: pem, chainPem: Type.String() });

export const agentRoutes = {
  getDesiredState: {
    method: "GET",
    path: "/agent/desired-state",
    access: "agent",
    status: 200,
    summary:
      "The host's desired state, as soon as it is newer than the given revision or the wait is over",
    query: strict({
      revision: Type.Integer({ minimum: 0 }),
      epoch: Type.Integer({ minimum: 0 }),
      /** Of the document of that epoch: a store from an older backup has another, or none. */
      trustHash: Type.Optional(hexDigest),
      waitMs: Type.Integer({ minimum: 0, maximum: 30_000 }),
      bootId: Type.String({ minLength: 8, maxLength: 64 }),
    }),
    response: desiredState,
  },
  reportObservedState: {
    method: "POST",
    path: "/agent/observed-state",
    access: "agent",
    status: 200,
    summary:
      "Replaces what is known of the host; answers with the serial of the certificate that the caller showed",
    body: observedReport,
    response: strict({ seenSerial: serial }),
  },
  issueCredential: {
    method: "POST",
    path: "/agent/certificates",
    access: "agent",
    status: 201,
    summary: "Issues a certificate for a credential of the host from a PKCS#10 request (RFC 2986)",
    body: strict({
      credentialId,
      requestPem: pem,
      /** Of the certificate that is presented meanwhile: its key stays recorded. Absent: none is. */
      presentedSerial: Type.Optional(serial),
    }),
    response: issuedCertificate,
  },
  requestSignature: {
    method: "POST",
    path: "/agent/signing-requests",
    access: "agent",
    status: 200,
    summary: "Keeps a request for a certificate that is signed elsewhere until it is brought",
    body: strict({ credentialId, requestPem: pem }),
    response: strict({
      revision: Type.Integer({ description: "from which on the desired state knows of it" }),
    }),
  },
  takeAdminSecrets: {
    method: "POST",
    path: "/agent/admin-secrets",
    access: "agent",
    status: 200,
    summary:
      "What a host needs that becomes an Admin Node Manager: where the store is, and the trust-signing key, sealed for the given key (SPKI, base64)",
    body: strict({ sealingKey }),
    response: adminSecrets,
  },
  reportRemovedKeys: {
    method: "POST",
    path: "/agent/removed-keys",
    access: "agent",
    status: 204,
    summary:
      "Records that a host that is no Admin Node Manager any more has deleted its copies of keys",
    body: strict({ files: Type.Array(name, { maxItems: 1000 }) }),
    response: nothing,
  },
  mergeIssuances: {
    method: "POST",
    path: "/agent/local-issuances",
    access: "agent",
    status: 200,
    summary:
      "Takes over what a host issued while no Admin Node Manager could be asked: the next entries of its journal, in order",
    body: strict({ entries: Type.Array(localIssuance, { minItems: 1, maxItems: 50 }) }),
    response: strict({
      merged: Type.Integer({
        description: "the last entry that was taken over; the next is wanted",
      }),
    }),
  },
  issueProbe: {
    method: "POST",
    path: "/agent/probe-certificates",
    access: "agent",
    status: 201,
    summary:
      "Issues a short-lived probe certificate with a process's real profile, from an authority that is being introduced",
    body: strict({ credentialId, authorityId, requestPem: pem }),
    response: probeCertificate,
  },
} as const satisfies Record<string, RouteDefinition>;
