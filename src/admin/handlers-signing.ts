import { formatName, parseCertificate, parseRequestPem, type Certificate } from "../pki/index.ts";
import { cancelSigningRequest, submitCertificates, type Submission } from "../control/index.ts";
import type { SubmissionView } from "../contract/index.ts";
import type { Handlers } from "./handlers.ts";
import { signCsr } from "./sign-csr.ts";

type Names = "listSigningRequests" | "submitCertificates" | "signCsr" | "cancelSigningRequest";

export const signingHandlers: Handlers<Names> = {
  listSigningRequests: ({ env }) =>
    env.store.read(async (view) => {
      const hosts = new Map((await view.topology.hosts()).map((host) => [host.id, host.name]));
      const authorities = new Map((await view.authorities.all()).map((each) => [each.id, each]));
      return {
        requests: (await view.signingRequests.all()).map(({ signedSerial, ...request }) => ({
          ...request,
          hostName: hosts.get(request.hostId) ?? request.hostId,
          authoritySubject: authorities.get(request.authorityId)?.subject ?? "",
          subject: formatName(parseRequestPem(request.requestPem).subject),
          isSigned: signedSerial !== null,
        })),
      };
    }),
  async submitCertificates({ env }, { body, actor }) {
    const certificates = body.certificates.map(certificateOf);
    const submissions = await submitCertificates(env, { certificates, actor });
    return { submissions: submissions.map(submissionView) };
  },
  signCsr: ({ env }, { body, actor }) => signCsr(env, { requestPem: body.requestPem, actor }),
  async cancelSigningRequest({ env }, { body, actor }) {
    await cancelSigningRequest(env, body.id, actor);
    return null;
  },
};

/** A certificate from the base64 of its DER. Throws `invalid-input`. */
export function certificateOf(text: string): Certificate {
  return parseCertificate(Uint8Array.from(Buffer.from(text, "base64")));
}

export function submissionView(submission: Submission): SubmissionView {
  return { ...submission, differences: [...submission.differences] };
}
