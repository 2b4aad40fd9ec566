import type { SigningRequestView } from "../contract/index.ts";
import { authorityChain, type StoreView } from "../control/index.ts";
import type { Authority } from "../domain/index.ts";
import { formatName, parseRequestPem } from "../pki/index.ts";

/** The CA whose key signs, which may be below the root that is trusted. */
function signerOf(authority: Authority | undefined): string {
  return authority === undefined ? "" : formatName(authorityChain(authority)[0].subject);
}

/** Every request whose certificate is signed elsewhere, as people are shown it. */
export async function signingRequestViews(view: StoreView): Promise<SigningRequestView[]> {
  const hosts = new Map((await view.topology.hosts()).map((host) => [host.id, host.name]));
  const authorities = new Map((await view.authorities.all()).map((each) => [each.id, each]));
  return (await view.signingRequests.all()).map(({ signedSerial, ...request }) => ({
    ...request,
    hostName: hosts.get(request.hostId) ?? request.hostId,
    authoritySubject: signerOf(authorities.get(request.authorityId)),
    subject: formatName(parseRequestPem(request.requestPem).subject),
    isSigned: signedSerial !== null,
  }));
}
