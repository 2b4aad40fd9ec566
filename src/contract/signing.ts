import { Type, type Static } from "typebox";
import type { RouteDefinition } from "./route.ts";
import {
  authorityId,
  credentialId,
  hexDigest,
  hostId,
  list,
  name,
  nothing,
  nullable,
  pem,
  strict,
  timeMs,
} from "./schemas.ts";

const signingRequest = strict({
  id: credentialId,
  hostId,
  hostName: name,
  authorityId,
  authoritySubject: Type.String({ description: "who is to sign it" }),
  subject: Type.String(),
  requestPem: pem,
  spki: hexDigest,
  createdAtMs: timeMs,
  isSigned: Type.Boolean({ description: "its certificate was brought; its host takes it next" }),
});
export type SigningRequestView = Static<typeof signingRequest>;

/** What became of a certificate that was brought. */
export const submission = strict({
  id: nullable(credentialId),
  certificate: Type.String(),
  differences: list(strict({ field: Type.String(), wanted: Type.String(), got: Type.String() })),
});
export type SubmissionView = Static<typeof submission>;

/** Requests for certificates that are signed elsewhere: out they go, and the certificates come in. */
export const signingRoutes = {
  listSigningRequests: {
    method: "GET",
    path: "/signing-requests",
    access: "operator",
    status: 200,
    summary: "Requests whose certificates are signed elsewhere, until their hosts have taken them",
    response: strict({ requests: list(signingRequest) }),
  },
  submitCertificates: {
    method: "POST",
    path: "/signing-requests/certificates",
    access: "administrator",
    status: 200,
    summary:
      "Takes certificates that were signed elsewhere, in any order; each is checked against the request for its key",
    body: strict({
      certificates: Type.Array(Type.String({ minLength: 1, maxLength: 65_536 }), {
        minItems: 1,
        maxItems: 10_000,
        description: "base64 of DER; those of CAs are passed over where they are not needed",
      }),
    }),
    response: strict({ submissions: list(submission) }),
  },
  signCsr: {
    method: "POST",
    path: "/signing/certificates",
    access: "administrator",
    status: 201,
    summary: "Signs a request of somebody outside the domain with the domain's CA",
    body: strict({ requestPem: pem }),
    response: strict({
      chainPem: Type.String({ description: "PEM, the certificate first, then its issuers" }),
      serial: Type.String(),
      subject: Type.String(),
      notAfterMs: timeMs,
      isCut: Type.Boolean({ description: "it ends with its CA, earlier than it would by itself" }),
    }),
  },
  cancelSigningRequest: {
    method: "POST",
    path: "/signing-requests/cancellations",
    access: "administrator",
    status: 204,
    summary: "Removes a request that nobody is to sign any more",
    body: strict({ id: credentialId }),
    response: nothing,
  },
} as const satisfies Record<string, RouteDefinition>;
