import type { SigningRequestView } from "../contract/index.ts";
import type { StoreView } from "../control/index.ts";
import { formatName, parseRequestPem } from "../pki/index.ts";

/** Every request whose certificate is signed elsewhere, as people are shown it. */
export async function signingRequestViews(view: StoreView): Promise<SigningRequestView[]> {
  const hosts = new Map((await view.topology.hosts()).map((host) => [host.id, host.name]));
  const authorities = new Map((await view.authorities.all()).map((each) => [each.id, each]));
  return (await view.signingRequests.all()).map(({ signedSerial, ...request }) => ({
    ...request,
    hostName: hosts.get(request.hostId) ?? request.hostId,
    authoritySubject: authorities.get(request.authorityId)?.subject ?? "",
    subject: formatName(parseRequestPem(request.requestPem).subject),
    isSigned: signedSerial !== null,
  }));
}
