import { Type } from "typebox";
import type { RouteDefinition } from "./route.ts";
import {
  credentialId,
  envelope,
  gatewayConfiguration,
  groupId,
  hexDigest,
  hostId,
  list,
  name,
  nothing,
  nullable,
  pem,
  port,
  processId,
  strict,
} from "./schemas.ts";

/** Backups, and how a domain that was restored from one finds out what happened since. */
export const restorationRoutes = {
  recordKeyCopies: {
    method: "POST",
    path: "/key-copies",
    access: "administrator",
    status: 204,
    summary: "Records that copies of keys are kept elsewhere: by a backup, or in words",
    body: strict({
      keys: list(Type.String({ minLength: 1, maxLength: 128 })),
      where: Type.String({ minLength: 1, maxLength: 1000 }),
      isBackup: Type.Boolean(),
    }),
    response: nothing,
  },
  getRestoration: {
    method: "POST",
    path: "/restoration/questions",
    access: "public",
    status: 200,
    callsPerMinuteMax: 600,
    summary:
      "What an Admin Node Manager that was restored wants to know, signed with the trust-signing key; null where it wants nothing",
    body: strict({ challenge: hexDigest }),
    response: strict({ question: nullable(envelope) }),
  },
  presentTrust: {
    method: "POST",
    path: "/restoration/presentations",
    access: "public",
    status: 200,
    callsPerMinuteMax: 600,
    summary:
      "A host shows a restored Admin Node Manager the trust that it has loaded and what was issued to it, on proof of its last key",
    body: strict({
      hostId,
      nonce: hexDigest,
      epoch: Type.Integer({ minimum: 1 }),
      trustHash: hexDigest,
      lastKey: Type.String({ maxLength: 4096 }),
      proof: Type.String({ maxLength: 4096 }),
      links: list(envelope),
      hostDocument: envelope,
      certificates: list(
        strict({ credentialId, sequence: Type.Integer({ minimum: 1 }), certificatePem: pem }),
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
    }),
    response: strict({
      isNews: Type.Boolean({ description: "false: this host was heard of before" }),
    }),
  },
  waiveUnheard: {
    method: "POST",
    path: "/restoration/waivers",
    access: "administrator",
    status: 204,
    summary: "Lets a restored domain go on without having heard of a host",
    body: strict({ hostId, reason: Type.String({ minLength: 1, maxLength: 1000 }) }),
    response: nothing,
  },
} as const satisfies Record<string, RouteDefinition>;
