import { DomainError, type CredentialId, type HostId } from "../kit/index.ts";
import { maySign, type Authority, type Credential } from "../domain/index.ts";
import type { StoreView } from "./ports.ts";

/** The credential with this id, if it is the host's. Throws `forbidden`. */
export async function ownCredential(
  view: StoreView,
  hostId: HostId,
  id: CredentialId,
): Promise<Credential> {
  const credential = await view.credentials.get(id);
  if (credential?.hostId === hostId) return credential;
  throw new DomainError("forbidden", `${id} is not a credential of ${hostId}`);
}

/**
 * The current authority for a first certificate; else the one that the credential belongs to. Throws
 * `authority-unavailable` if that may not sign any more.
 */
export async function signingAuthority(
  view: StoreView,
  credential: Credential,
): Promise<Authority> {
  if (credential.lastSequence === 0) return view.authorities.current(credential.usage);
  const authority = await view.authorities.get(credential.desired.authorityId);
  if (authority !== undefined && maySign(authority.status, "renewal-or-rollback")) return authority;
  throw new DomainError(
    "authority-unavailable",
    `the authority ${credential.desired.authorityId} of ${credential.id} may not sign any more`,
  );
}
