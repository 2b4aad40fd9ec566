import { DomainError, type CredentialId, type HostId } from "../kit/index.ts";
import {
  isSignedElsewhere,
  maySign,
  type Authority,
  type Credential,
  type SigningRequest,
} from "../domain/index.ts";
import {
  bytesEqual,
  leafTemplate,
  parseRequestPem,
  prepareRequest,
  spkiFingerprint,
  verifyRequestSignature,
  type CertificateRequest,
  type LeafText,
} from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { ownCredential, signingAuthority } from "./issuing-authority.ts";
import { leafNames } from "./leaf-names.ts";
import type { StoreTransaction, StoreView } from "./ports.ts";
import { requireHost } from "./publish-trust.ts";

/** What a host has to know of a certificate that somebody elsewhere signs. */
export interface ElsewhereSigned extends LeafText {
  readonly authorityId: Authority["id"];
  /** Hex SHA-256 of the key that the waiting request is for; null: none waits. */
  readonly requestedSpki: string | null;
  /** True once its certificate was brought, and can be taken. */
  readonly isSigned: boolean;
  /** True: the certificate is asked for before it is wanted. */
  readonly isCollected: boolean;
}

/** The same for one credential; null where an Admin Node Manager signs its next certificate. */
export async function elsewhereSigned(
  view: StoreView,
  credential: Credential,
): Promise<ElsewhereSigned | null> {
  const authority = await nextAuthority(view, credential);
  if (authority === undefined || !isSignedElsewhere(authority)) return null;
  const request = await view.signingRequests.get(credential.id);
  const waiting = request?.authorityId === authority.id ? request : undefined;
  return {
    ...(await leafNames(view, credential, await requireHost(view, credential.hostId))),
    authorityId: authority.id,
    requestedSpki: waiting?.spki ?? null,
    isSigned: waiting !== undefined && waiting.signedSerial !== null,
    isCollected: credential.desired.collects !== undefined,
  };
}

async function nextAuthority(
  view: StoreView,
  credential: Credential,
): Promise<Authority | undefined> {
  const { collects } = credential.desired;
  if (collects !== undefined) {
    const authority = await view.authorities.get(collects);
    return authority && maySign(authority.status, "probe") ? authority : undefined;
  }
  return signingAuthority(view, credential).catch(() => undefined);
}

/**
 * Keeps a request until its certificate is brought. It must ask for exactly what the certificate is
 * to say, since whoever signs elsewhere copies it. A request for another key replaces the one
 * before. Throws `forbidden`, `certificate-rejected`, and `conflict` where it is not signed elsewhere.
 */
export async function requestSignature(
  env: ControlEnvironment,
  of: {
    readonly hostId: HostId;
    readonly credentialId: CredentialId;
    readonly requestPem: string;
    readonly actor: string;
  },
): Promise<void> {
  const { hostId, credentialId: id, requestPem, actor } = of;
  const request = parseRequestPem(requestPem);
  if (!verifyRequestSignature(request, env.crypto))
    throw new DomainError("signature-invalid", "the signature of the request does not verify");
  const spki = spkiFingerprint(request.spki, env.crypto);
  const entry = { actor, action: "certificate.request", subject: id, detail: { spki } };
  await env.store.write(entry, async (tx) => {
    const credential = await ownCredential(tx, hostId, id);
    const wanted = await elsewhereSigned(tx, credential);
    if (wanted === null)
      throw new DomainError(
        "conflict",
        `the certificate of ${id} is not signed elsewhere any more`,
      );
    if (wanted.requestedSpki === spki) return;
    if (!asksForAll(request, wanted))
      throw new DomainError(
        "certificate-rejected",
        `the request for ${id} does not ask for exactly what its certificate is to say: ask again`,
      );
    await tx.signingRequests.put({
      id,
      hostId,
      authorityId: wanted.authorityId,
      requestPem,
      spki,
      createdAtMs: env.clock.nowMs(),
      signedSerial: null,
    });
  });
}

/** True if a request asks for exactly what its certificate is to say. */
export function asksForAll({ spki, info }: CertificateRequest, leaf: LeafText): boolean {
  return bytesEqual(info, prepareRequest({ ...leafTemplate(leaf), spki }).info);
}

/** Removes a request that nobody is to sign any more. Throws `not-found`. */
export async function cancelSigningRequest(
  env: ControlEnvironment,
  id: CredentialId,
  actor: string,
): Promise<void> {
  const entry = { actor, action: "certificate.request-cancel", subject: id, detail: {} };
  await env.store.write(entry, async (tx) => {
    await requireSigningRequest(tx, id);
    await tx.signingRequests.remove(id);
  });
}

/** The request of a credential, or `not-found`. */
async function requireSigningRequest(
  view: StoreView | StoreTransaction,
  id: CredentialId,
): Promise<SigningRequest> {
  const request = await view.signingRequests.get(id);
  if (request !== undefined) return request;
  throw new DomainError(
    "not-found",
    `no request of ${id} waits for its certificate: \`gatehouse signing list\` lists those that do`,
  );
}
