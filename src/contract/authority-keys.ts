import { Type } from "typebox";
import type { RouteDefinition } from "./route.ts";
import {
  authorityId,
  credentialId,
  finding,
  hexDigest,
  hostId,
  list,
  nothing,
  nullable,
  pem,
  rolloutId,
  secret,
  strict,
  timeMs,
} from "./schemas.ts";

const ofHost = strict({ id: hostId });
const authorities = strict({ authorities: list(authorityId) });

/** Which Admin Node Managers hold the keys of the authorities, and signing for one that does not. */
export const authorityKeyRoutes = {
  shareKeys: {
    method: "POST",
    path: "/hosts/:id/authority-keys",
    access: "administrator",
    status: 200,
    summary: "Seals the keys of the authorities that may sign for the host's Admin Node Manager",
    params: ofHost,
    response: authorities,
  },
  unshareKeys: {
    method: "DELETE",
    path: "/hosts/:id/authority-keys",
    access: "administrator",
    status: 200,
    summary: "Takes the keys of the authorities from the host, unless it is the last that has one",
    params: ofHost,
    response: authorities,
  },
  moveKeys: {
    method: "POST",
    path: "/hosts/:id/authority-keys/move",
    access: "administrator",
    status: 200,
    summary:
      "Moves the keys to the host's Admin Node Manager: when it has proven that it signs with them, the one before deletes its copies",
    params: ofHost,
    body: strict({
      from: Type.Optional(hostId),
    }),
    response: strict({ from: nullable(hostId), authorities: list(authorityId) }),
  },
  unlockKeys: {
    method: "POST",
    path: "/authority-keys/unlocking",
    access: "administrator",
    status: 200,
    summary: "Gives the Admin Node Manager that is called the passphrase of the keys in its home",
    callsPerMinuteMax: 10,
    body: strict({ passphrase: secret }),
    response: strict({ hostId, wereLocked: Type.Boolean(), authorities: list(authorityId) }),
  },
  importKey: {
    method: "POST",
    path: "/authority-keys/imports",
    access: "administrator",
    status: 201,
    summary:
      "Gives the Admin Node Manager that is called the key of a CA that signed elsewhere until now",
    callsPerMinuteMax: 10,
    body: strict({
      pkcs12: Type.String({ minLength: 1, maxLength: 1_048_576, description: "base64" }),
      passphrase: Type.String({ maxLength: 1024, description: "never logged" }),
    }),
    response: strict({ hostId, authorityId, isEncrypted: Type.Boolean() }),
  },
  getAdminState: {
    method: "GET",
    path: "/relay/state",
    access: "anm",
    status: 200,
    summary:
      "What an Admin Node Manager says of itself to another: its clock, what it can sign with",
    response: strict({
      nowMs: timeMs,
      signs: list(authorityId),
      findings: list(finding),
    }),
  },
  signLeaf: {
    method: "POST",
    path: "/relay/leaves",
    access: "anm",
    status: 200,
    summary:
      "Signs a certificate for a credential, as the store describes it, for another Admin Node Manager that does not hold the key; the caller logs it",
    body: strict({
      hostId,
      credentialId,
      authorityId,
      requestPem: pem,
      isProbe: Type.Boolean(),
    }),
    response: strict({ certificatePem: pem }),
  },
  proveKey: {
    method: "POST",
    path: "/relay/key-proofs",
    access: "anm",
    status: 200,
    summary: "Signs a challenge with the key of an authority, to prove that it can be used here",
    body: strict({ authorityId, challenge: hexDigest }),
    response: strict({ signature: Type.String({ description: "base64" }) }),
  },
  destroyKey: {
    method: "DELETE",
    path: "/authorities/:id/key",
    access: "administrator",
    status: 200,
    summary:
      "Destroys the key of a retired CA in its token, for everybody who reaches that; the Admin Node Manager that is called does it",
    params: strict({ id: authorityId }),
    response: strict({ wasThere: Type.Boolean() }),
  },
  advanceForLeader: {
    method: "POST",
    path: "/relay/rollouts/:id/step",
    access: "anm",
    status: 204,
    summary:
      "Makes the next step of a rollout for a leader that does not hold the key which the step needs",
    params: strict({ id: rolloutId }),
    body: strict({ lease: Type.String(), fencingToken: Type.Integer() }),
    response: nothing,
  },
} as const satisfies Record<string, RouteDefinition>;
