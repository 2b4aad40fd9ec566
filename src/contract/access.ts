import { Type } from "typebox";
import { elsewhereSigned } from "./agent.ts";
import type { RouteDefinition } from "./route.ts";
import {
  adminSecrets,
  authorityId,
  dial,
  envelope,
  hexDigest,
  hostId,
  list,
  name,
  nothing,
  nullable,
  pem,
  port,
  processId,
  relyingPartyId,
  sealingKey,
  secret,
  strict,
  timeMs,
} from "./schemas.ts";
import { submission } from "./signing.ts";

const role = Type.Union([Type.Literal("administrator"), Type.Literal("operator")]);

/** What a host gets when it has joined or come back: a certificate, and all that it needs to trust. */
const admission = {
  hostId,
  nodeManagerId: processId,
  certificatePem: pem,
  authorityId,
  sequence: Type.Integer(),
  renewFromMs: timeMs,
  renewUntilMs: timeMs,
  hostDocument: envelope,
  trust: list(envelope),
};

/** What a host gets whose certificate is signed elsewhere: what it has to say, until it was brought. */
const awaitedAdmission = strict({
  hostId,
  nodeManagerId: processId,
  awaits: elsewhereSigned,
  submissions: list(submission),
});

/** Links of the trust chain in one answer; whoever gets as many asks for the rest. */
export const trustLinksPerAnswerMax = 1000;

/** Each costs a slow hash of the password that was tried. */
const logInsPerMinuteMax = 60;
/** A rack's worth of hosts behind one address still gets in. */
const admissionsPerMinuteMax = 120;

/** Logging in, joining and coming back: everything that is reached over server-side TLS. */
export const accessRoutes = {
  getTrust: {
    method: "GET",
    path: "/trust",
    access: "public",
    status: 200,
    summary:
      "Links of the signed trust chain above an epoch; they prove themselves, so anybody may read them",
    query: strict({ after: Type.Integer({ minimum: 0 }) }),
    response: strict({ links: list(envelope) }),
  },
  logIn: {
    method: "POST",
    path: "/sessions",
    access: "public",
    status: 201,
    callsPerMinuteMax: logInsPerMinuteMax,
    summary: "Exchanges a user's password for a session token",
    body: strict({ username: name, password: secret }),
    response: strict({ token: secret, role, expiresAtMs: timeMs }),
  },
  logOut: {
    method: "DELETE",
    path: "/sessions/current",
    access: "operator",
    status: 204,
    summary: "Ends the session of the token that is shown",
    response: nothing,
  },
  createJoinToken: {
    method: "POST",
    path: "/join-tokens",
    access: "administrator",
    status: 201,
    summary: "Makes a single-use token that admits one host and pins the trust-signing key",
    body: strict({
      hostName: nullable(name),
      isAdmin: Type.Optional(Type.Boolean({ description: "admits an Admin Node Manager" })),
      lifetimeSeconds: Type.Integer({ minimum: 1, maximum: 604_800 }),
    }),
    response: strict({ token: secret, expiresAtMs: timeMs }),
  },
  joinHost: {
    method: "POST",
    path: "/hosts/admissions",
    access: "public",
    status: 201,
    callsPerMinuteMax: admissionsPerMinuteMax,
    summary: "Admits a new host that shows a join token, and issues its Node Manager's certificate",
    body: strict({
      token: secret,
      hostName: name,
      address: name,
      nodeManagerName: name,
      port,
      requestPem: pem,
      dial: Type.Optional(dial),
      alternativeNames: Type.Optional(list(name)),
      /** Signed elsewhere for this host, with those of their CAs; base64 of DER. */
      certificates: Type.Optional(
        Type.Array(Type.String({ maxLength: 65_536 }), { maxItems: 100 }),
      ),
      admin: Type.Optional(
        strict({
          sealingKey,
        }),
      ),
    }),
    response: Type.Union([
      strict({ ...admission, admin: nullable(adminSecrets) }),
      awaitedAdmission,
    ]),
  },
  getReturnNonce: {
    method: "POST",
    path: "/hosts/return-nonces",
    access: "public",
    status: 201,
    callsPerMinuteMax: admissionsPerMinuteMax,
    summary: "Gives a nonce for a host that wants to come back",
    body: strict({ hostId }),
    response: strict({ nonce: hexDigest }),
  },
  returnHost: {
    method: "POST",
    path: "/hosts/returns",
    access: "public",
    status: 201,
    callsPerMinuteMax: admissionsPerMinuteMax,
    summary: "Re-enrols a host whose certificate or trust is out of date, on proof of its last key",
    body: strict({
      hostId,
      nonce: hexDigest,
      requestPem: pem,
      /** SPKI of the host's last key, base64 DER; and that key's signature over nonce and request. */
      lastKey: Type.String({ maxLength: 4096 }),
      proof: Type.String({ maxLength: 4096 }),
      /** Of the start that returns: that it was heard of a moment ago is no second use. */
      bootId: Type.Optional(Type.String({ minLength: 8, maxLength: 64 })),
    }),
    response: Type.Union([strict(admission), awaitedAdmission]),
  },
  createRelyingParty: {
    method: "POST",
    path: "/relying-parties",
    access: "administrator",
    status: 201,
    summary: "Registers a managed relying party and makes its token",
    body: strict({ name }),
    response: strict({ id: relyingPartyId, token: secret }),
  },
  deleteRelyingParty: {
    method: "DELETE",
    path: "/relying-parties/:id",
    access: "administrator",
    status: 204,
    summary: "Removes a managed relying party; gates no longer count it",
    params: strict({ id: relyingPartyId }),
    response: nothing,
  },
  getVerificationTargets: {
    method: "GET",
    path: "/relying-parties/self",
    access: "relying-party",
    status: 200,
    summary:
      "What a relying party has to prove: the authorities being introduced and every traffic listener",
    response: strict({
      id: relyingPartyId,
      epoch: Type.Integer(),
      prove: list(authorityId),
      listeners: list(strict({ process: processId, address: name, port, dnsNames: list(name) })),
    }),
  },
  reportRelyingParty: {
    method: "PUT",
    path: "/relying-parties/self",
    access: "relying-party",
    status: 204,
    summary: "Reports the epoch that a relying party has loaded and the edges it has proven",
    body: strict({
      loadedEpoch: Type.Integer(),
      oldestConnectionEpoch: nullable(Type.Integer()),
      proofs: list(strict({ presenter: processId, authorityId, verifierEpoch: Type.Integer() })),
    }),
    response: nothing,
  },
} as const satisfies Record<string, RouteDefinition>;
