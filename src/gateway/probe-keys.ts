import type { ProcessUsage } from "../domain/index.ts";
import {
  generateKeyPair,
  issueRequest,
  keySigner,
  privateKeyToPem,
  type KeyPair,
} from "../keys/index.ts";
import { DomainError } from "../kit/index.ts";
import {
  bytesEqual,
  decodeOnePem,
  encodePem,
  isProbeCertificate,
  parseCertificate,
  processProfile,
  trafficProfile,
  type Certificate,
} from "../pki/index.ts";
import { ProbeContexts } from "../transport/index.ts";
import type { LoadedCredential, LoadedState } from "./loaded-state.ts";

/** Probe keys that wait for their certificate; a domain introduces one authority a usage at a time. */
const pendingMax = 16;

const profiles = { management: processProfile("gateway"), traffic: trafficProfile } as const;

/** Probe keys, made and kept in memory, and the certificates for them. */
export class ProbeKeys {
  /** What each port shows under the probe name of an authority. */
  readonly contexts: Readonly<Record<ProcessUsage, ProbeContexts>> = {
    management: new ProbeContexts(),
    traffic: new ProbeContexts(),
  };
  readonly #pending = new Map<string, KeyPair>();

  /** Makes a key and a request, with the real profile and names, for each credential concerned. */
  async request(
    authorityId: string,
    usages: readonly ProcessUsage[],
    state: LoadedState,
  ): Promise<{ usage: ProcessUsage; requestPem: string }[]> {
    const requests: { usage: ProcessUsage; requestPem: string }[] = [];
    for (const usage of new Set(usages)) {
      const credential = requireCredential(state, usage);
      const keys = await generateKeyPair("ecdsa-p256");
      const { subject, extensions } = credential.certificate;
      const subjectAltName = extensions.subjectAltName ?? [];
      const request = await issueRequest(
        { subject, subjectAltName, profile: profiles[usage] },
        keySigner(keys.privateKey),
      );
      this.#remember(pendingKey(authorityId, usage), keys);
      requests.push({ usage, requestPem: encodePem("CERTIFICATE REQUEST", request.der) });
    }
    return requests;
  }

  #remember(key: string, keys: KeyPair): void {
    this.#pending.delete(key);
    this.#pending.set(key, keys);
    const [oldest] = this.#pending.keys();
    if (this.#pending.size > pendingMax && oldest !== undefined) this.#pending.delete(oldest);
  }

  /**
   * Takes certificates for keys that were made here. Throws `certificate-rejected` if one is not a
   * probe certificate for such a key, or has ended; then none is taken.
   */
  install(
    authorityId: string,
    certificates: readonly { usage: ProcessUsage; certificatePem: string }[],
    nowMs: number,
  ): void {
    const checked = certificates.map(({ usage, certificatePem }) => {
      const keys = this.#pending.get(pendingKey(authorityId, usage));
      return { usage, certificatePem, ...checkProbe(certificatePem, keys, usage, nowMs) };
    });
    for (const { usage, certificatePem, certificate, keys } of checked) {
      const identity = {
        keyPem: privateKeyToPem(keys.privateKey),
        certificatePem,
        authorityId,
        serial: certificate.serialHex,
      };
      this.contexts[usage].set(authorityId, identity, certificate.notAfterMs);
      this.#pending.delete(pendingKey(authorityId, usage));
    }
  }
}

function pendingKey(authorityId: string, usage: ProcessUsage): string {
  return `${usage} ${authorityId}`;
}

function requireCredential(state: LoadedState, usage: ProcessUsage): LoadedCredential {
  const credential = state[usage];
  if (credential !== null) return credential;
  throw new DomainError(
    "conflict",
    `there is no ${usage} credential yet, so that nothing is to be proven of it`,
  );
}

function checkProbe(
  pem: string,
  keys: KeyPair | undefined,
  usage: ProcessUsage,
  nowMs: number,
): { certificate: Certificate; keys: KeyPair } {
  const refuse = (why: string): never => {
    throw new DomainError("certificate-rejected", `the ${usage} probe certificate ${why}`);
  };
  const certificate = parseCertificate(decodeOnePem(pem, ["CERTIFICATE"], `the ${usage} probe`));
  if (!isProbeCertificate(certificate)) return refuse("is not marked as one");
  if (keys === undefined || !bytesEqual(certificate.spki, keys.spki)) {
    return refuse("is not for the key that was made last: request it again");
  }
  if (certificate.notAfterMs <= nowMs) return refuse("has ended: request it again");
  return { certificate, keys };
}
