import type { HostId } from "../kit/index.ts";
import { credentialId, type Envelope, type Host } from "../domain/index.ts";
import { parseRequestPem, spkiFingerprint, type Certificate } from "../pki/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { issueCredential, issuedBefore, type CredentialIssued } from "./issue.ts";
import { ownCredential } from "./issuing-authority.ts";
import { requireHost } from "./publish-trust.ts";
import {
  asksForAll,
  elsewhereSigned,
  requestSignature,
  type ElsewhereSigned,
} from "./signing-requests.ts";
import { submitCertificates, type Submission } from "./submit-certificates.ts";

/** What a host gets when it joined or came back. */
export interface Admission extends CredentialIssued {
  readonly host: Host;
  readonly trust: readonly Envelope[];
}

/** A host that is told what its certificate is to say, and waits until that was signed elsewhere. */
export interface AwaitedAdmission {
  readonly host: Host;
  readonly awaits: ElsewhereSigned;
  /** What became of the certificates that it brought. */
  readonly submissions: readonly Submission[];
}

/**
 * Issues the certificate with which a host of the topology comes in; where that is signed elsewhere,
 * takes what was brought, or says what is waited for.
 */
export async function admitOrAwait(
  env: ControlEnvironment,
  host: Host,
  request: {
    readonly requestPem: string;
    readonly certificates?: readonly Certificate[];
    readonly presentedSerial: string | null;
  },
  actor: string,
): Promise<Admission | AwaitedAdmission> {
  const { requestPem, certificates = [], presentedSerial } = request;
  const id = credentialId(host.nodeManager.id, "management");
  // One that is only collected for later does not hold up who needs a certificate now.
  const look = () =>
    env.store.read(async (view) => {
      const wanted = await elsewhereSigned(view, await ownCredential(view, host.id, id));
      return wanted === null || wanted.isCollected ? null : wanted;
    });
  const before = { hostId: host.id, credentialId: id, requestPem, presentedSerial, actor };
  const isIssued = (await issuedBefore(env, before)) !== null;
  const wanted = isIssued ? null : await look();
  if (wanted !== null && asksForAll(parseRequestPem(requestPem), wanted))
    await requestSignature(env, { hostId: host.id, credentialId: id, requestPem, actor });
  const submissions = await submitCertificates(env, { certificates, actor });
  const awaits = wanted && (await look());
  // A certificate that was brought for another key is none for this one.
  const isBrought =
    awaits?.isSigned === true &&
    awaits.requestedSpki === spkiFingerprint(parseRequestPem(requestPem).spki, env.crypto);
  if (awaits !== null && !isBrought) return { host, awaits, submissions };
  const admitted = host.status === "joining" ? await activate(env, host.id, actor) : host;
  return admit(env, admitted, { requestPem, presentedSerial }, actor);
}

/** The certificate of a host that joins was brought: from now on it counts. */
function activate(env: ControlEnvironment, id: HostId, actor: string): Promise<Host> {
  const entry = { actor, action: "host.admit", subject: id, detail: {} };
  return env.store.write(entry, async (tx) => {
    const admitted: Host = { ...(await requireHost(tx, id)), status: "active" };
    await tx.topology.putHost(admitted);
    return admitted;
  });
}

async function admit(
  env: ControlEnvironment,
  host: Host,
  request: { readonly requestPem: string; readonly presentedSerial: string | null },
  actor: string,
): Promise<Admission> {
  const issued = await issueCredential(env, {
    hostId: host.id,
    credentialId: credentialId(host.nodeManager.id, "management"),
    ...request,
    actor,
  });
  const links = await env.store.read((view) => view.trust.after(0, trustLinksMax));
  return { ...issued, host, trust: links.map((link) => link.envelope) };
}

/** A domain that rotates monthly and revokes daily fills this in a lifetime. */
const trustLinksMax = 100_000;
