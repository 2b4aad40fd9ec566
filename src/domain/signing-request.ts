import type { AuthorityId, CredentialId, HostId } from "../kit/index.ts";

/**
 * A request for a certificate that nobody here can sign: it waits until the certificate is brought,
 * and then until its host takes it. A credential has one at most, the newest.
 */
export interface SigningRequest {
  readonly id: CredentialId;
  readonly hostId: HostId;
  readonly authorityId: AuthorityId;
  /** PKCS#10, PEM: it asks for every name and usage that the certificate has to have. */
  readonly requestPem: string;
  /** Hex SHA-256 of its SubjectPublicKeyInfo. */
  readonly spki: string;
  readonly createdAtMs: number;
  /** Serial of the certificate that was brought for it; null: it is waited for. */
  readonly signedSerial: string | null;
}
