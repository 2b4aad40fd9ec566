import { setTimeout as sleep } from "node:timers/promises";
import { DomainError, type CredentialId } from "../../kit/index.ts";
import type { SigningRequestView, SubmissionView } from "../../contract/index.ts";
import type { Admin } from "../admin-session.ts";
import type { Certificate, ProvidedCa } from "./provided-ca.ts";

const requestMsMax = 30_000;
const pollMs = 250;

/** Waits until the host of a credential has asked for its certificate. Throws `timeout`. */
export async function awaitRequest(
  admin: Admin,
  id: CredentialId,
  hostName: string,
): Promise<SigningRequestView> {
  const endMs = performance.now() + requestMsMax;
  for (;;) {
    const { requests } = await admin.call("listSigningRequests");
    const found = requests.find((request) => request.id === id && !request.isSigned);
    if (found !== undefined) return found;
    if (performance.now() > endMs)
      throw new DomainError(
        "timeout",
        `${hostName} has not made its request for ${id} in ${requestMsMax / 1000} s: look whether its Node Manager runs; \`gatehouse signing list\` shows the request when it is there`,
      );
    await sleep(pollMs);
  }
}

/** Signs every request that waits and `concerns` chooses; returns what became of each. */
export async function signWaiting(
  admin: Admin,
  ca: ProvidedCa,
  concerns: (request: SigningRequestView) => boolean,
): Promise<SubmissionView[]> {
  const { requests } = await admin.call("listSigningRequests");
  const certificates: Certificate[] = [];
  for (const request of requests.filter((each) => !each.isSigned && concerns(each)))
    certificates.push(await ca.sign(request.requestPem));
  return certificates.length === 0 ? [] : submitAll(admin, [...certificates, ...ca.chain]);
}

/** Brings certificates to the domain; returns what became of each. Throws `invalid-input` for nothing but CAs. */
export async function submitAll(
  admin: Admin,
  certificates: readonly Certificate[],
): Promise<SubmissionView[]> {
  const texts = certificates.map(({ der }) => Buffer.from(der).toString("base64"));
  const answer = await admin.call("submitCertificates", { body: { certificates: texts } });
  if (answer.submissions.length === 0)
    throw new DomainError(
      "invalid-input",
      "only certificates of CAs were given: give those that were signed for the requests, with them or alone",
    );
  return answer.submissions;
}
