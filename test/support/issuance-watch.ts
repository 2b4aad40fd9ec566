import { readFile } from "node:fs/promises";
import { anchorsFor, credentialId, homeLayout, type NodeSettings } from "../../src/domain/index.ts";
import {
  describeError,
  type AuthorityId,
  type HostId,
  type ProcessId,
} from "../../src/kit/index.ts";
import { generateKeyPair, requestForKey } from "../../src/keys/index.ts";
import {
  ApiCaller,
  apiPrefix,
  callApi,
  LoadedTrust,
  mutualTls,
  readIdentity,
  readNodeSettings,
  type SavedTrust,
} from "../../src/transport/index.ts";
import { parseCertificatesPem } from "../../src/pki/index.ts";
import { onEnd } from "./cleanup.ts";

const pauseMs = 150;
const answerMsMax = 1_000;

/** What a certificate was answered with, and when. */
export interface Signed {
  readonly atMs: number;
  /** The Admin Node Manager that was asked. */
  readonly by: ProcessId;
  readonly serial: string;
}

/**
 * Asks every Admin Node Manager for certificates all the time, each by itself, as the Node Manager
 * of a joined home folder does: for short-lived probe certificates, which change nothing else.
 */
export class IssuanceWatch {
  readonly signed: Signed[] = [];
  readonly failures: { readonly atMs: number; readonly by: ProcessId; readonly text: string }[] =
    [];
  readonly #home: string;
  readonly #settings: NodeSettings;
  readonly #requestPem: string;
  #isStopping = false;
  #done: Promise<unknown> = Promise.resolve();

  private constructor(home: string, settings: NodeSettings, requestPem: string) {
    this.#home = home;
    this.#settings = settings;
    this.#requestPem = requestPem;
  }

  static async start(home: string, admins: readonly ProcessId[]): Promise<IssuanceWatch> {
    const settings = await readNodeSettings(homeLayout(home).nodeSettings);
    if (settings === null) throw new Error(`${home} has not joined`);
    const { privateKey } = await generateKeyPair("ecdsa-p256");
    const request = await requestForKey(privateKey, `CN=${settings.nodeManagerId}`);
    const watch = new IssuanceWatch(home, settings, request);
    watch.#done = Promise.all(admins.map((admin) => watch.#ask(admin)));
    onEnd(() => watch.stop());
    return watch;
  }

  async #ask(by: ProcessId): Promise<void> {
    let caller: ApiCaller | null = null;
    let authorityId: AuthorityId | null = null;
    while (!this.#isStopping) {
      try {
        if (caller === null || authorityId === null) [caller, authorityId] = await this.#open(by);
        const { certificatePem } = await callApi(caller, "issueProbe", {
          timeoutMs: answerMsMax,
          body: {
            credentialId: credentialId(this.#settings.nodeManagerId as ProcessId, "management"),
            authorityId,
            requestPem: this.#requestPem,
          },
        });
        const serial = parseCertificatesPem(certificatePem)[0]?.serialHex ?? "";
        this.signed.push({ atMs: performance.now(), by, serial });
      } catch (error) {
        // Not now, or under a certificate or trust that was replaced meanwhile.
        this.failures.push({ atMs: performance.now(), by, text: describeError(error) });
        caller?.close();
        caller = null;
      }
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    caller?.close();
  }

  /** A connection under what the home folder holds now. */
  async #open(by: ProcessId): Promise<[ApiCaller, AuthorityId]> {
    const layout = homeLayout(this.#home);
    const saved = JSON.parse(await readFile(layout.trust, "utf8")) as SavedTrust;
    const trust = LoadedTrust.restore(saved);
    const target = trust.document.admins.find(({ id }) => id === by);
    if (target === undefined) throw new Error(`the trust document does not name ${by}`);
    const self = { role: "nm" as const, hostId: this.#settings.hostId as HostId };
    const identity = await readIdentity(layout.nodeCredential);
    if (identity === null) throw new Error(`${this.#home} has no certificate`);
    const tls = mutualTls({ identity, trust, target, self, nowMs: () => Date.now() });
    const { address, port } = target;
    return [new ApiCaller({ address, port, prefix: apiPrefix }, tls), newestAuthority(trust)];
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#done;
  }
}

function newestAuthority(trust: LoadedTrust): AuthorityId {
  const newest = anchorsFor(trust.document, "management").at(-1);
  if (newest === undefined) throw new Error("the trust document names a management CA");
  return newest.authorityId;
}
