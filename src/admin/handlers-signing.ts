import { parseCertificate, type Certificate } from "../pki/index.ts";
import { cancelSigningRequest, submitCertificates, type Submission } from "../control/index.ts";
import type { SubmissionView } from "../contract/index.ts";
import type { Handlers } from "./handlers.ts";
import { signCsr } from "./sign-csr.ts";
import { signingRequestViews } from "./signing-request-views.ts";

type Names = "listSigningRequests" | "submitCertificates" | "signCsr" | "cancelSigningRequest";

export const signingHandlers: Handlers<Names> = {
  async listSigningRequests({ env }) {
    return { requests: await env.store.read(signingRequestViews) };
  },
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
