import type { KeyObject } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { DomainError, type HostId } from "../kit/index.ts";
import type { Authority, Finding, HomeLayout } from "../domain/index.ts";
import { authorityChain, takePlacedKey } from "../control/index.ts";
import { ensureFolder, keyPairOf, writeFileAtomic } from "../keys/index.ts";
import {
  bytesEqual,
  encodePem,
  formatTime,
  parseCertificatesPem,
  type Certificate,
} from "../pki/index.ts";
import { CertificateIndex } from "./certificate-index.ts";
import type { HomeEnvironment } from "./environment.ts";
import { ensureOpensslConfig } from "./openssl-config.ts";

interface Home {
  readonly layout: HomeLayout;
  readonly env: HomeEnvironment;
  readonly hostId: HostId;
}

/**
 * `groups/certs` as documented, of the domain's present management authority: its certificate
 * everywhere; on a host that holds its key `domain.p12`, `domainkey.pem`, `index.txt` and `serial`,
 * with which `openssl ca` signs. They follow the store. A key that an operator placed there, because
 * this host is to sign too, is checked against the authority and taken.
 */
export class AuthorityFolder {
  readonly #home: Home;
  readonly #index: CertificateIndex;
  #placed: Finding | null = null;
  #endMs = Infinity;

  constructor(home: Home) {
    this.#home = home;
    this.#index = new CertificateIndex(home.layout, home.env);
  }

  /** Makes the files what the store says, and takes what others put there. */
  async update(): Promise<void> {
    const { env, layout } = this.#home;
    const authority = await env.store.read((view) => view.authorities.current("management"));
    const chain = authorityChain(authority);
    this.#endMs = authority.notAfterMs;
    const [issuer] = chain;
    const keyPem = await textOf(layout.authorityKey(authority.id));
    const placedPem = await textOf(layout.domainKey);
    if (keyPem === null && placedPem !== null && !(await this.#removeCopyOfOld(placedPem))) {
      this.#placed = await this.#takePlaced(authority, issuer);
      return;
    }
    this.#placed = null;
    if (keyPem === null) {
      await this.#writeCertificate(chain);
      return;
    }
    await ensureOpensslConfig(layout);
    if (placedPem !== keyPem || (await this.#hasOtherCertificate(issuer))) {
      if (await env.authorityKeys.files.isLocked()) return;
      await this.#writeKeys(authority, chain, keyPem);
    }
    await this.#index.update(authority);
  }

  /** What an operator has to know or do about the folder. */
  findings(): Finding[] {
    const { foreign, missing, reused } = this.#index;
    const { certificateIndex, newCertificates } = this.#home.layout;
    const found = [...(this.#placed === null ? [] : [this.#placed]), ...this.#lifetimeFindings()];
    if (foreign.length > 0)
      found.push({
        code: "signed-by-others",
        severity: "warning",
        subject: this.#home.hostId,
        text: `${foreign.length} certificates in ${newCertificates} were signed with the domain's CA by another program (serial ${shortList(foreign)}); they are in the inventory: move the files away when you know whose they are`,
      });
    if (reused.length > 0)
      found.push({
        code: "serial-reused",
        severity: "error",
        subject: this.#home.hostId,
        text: `another program gave certificates in ${newCertificates} serials that others of this CA have (${shortList(reused)}): they are not in the inventory, and cannot be revoked by their serial; have them signed again, and replace the CA with \`gatehouse plan rotate-ca\``,
      });
    if (missing.length > 0)
      found.push({
        code: "index-without-certificate",
        severity: "error",
        subject: this.#home.hostId,
        text: `${certificateIndex} names certificates that are neither in the inventory nor in ${newCertificates} (serial ${shortList(missing)}): put them there, or take the lines out`,
      });
    return found;
  }

  #lifetimeFindings(): Finding[] {
    const { env, layout, hostId } = this.#home;
    const { problem } = env.lifetime.now();
    if (problem !== null)
      return [
        { code: "default-days-unreadable", severity: "error", subject: hostId, text: problem },
      ];
    if (env.clock.nowMs() + env.leafLifetimeSeconds() * 1000 <= this.#endMs) return [];
    return [
      {
        code: "leaf-life-cut",
        severity: "info",
        subject: hostId,
        text: `the domain's CA ends at ${formatTime(this.#endMs)}, before the life that ${layout.opensslConfig} (default_days) or the policy gives new certificates: they end with it`,
      },
    ];
  }

  /** The present CA may be one whose key is elsewhere: then the files of the one before go. */
  async #removeCopyOfOld(placedPem: string): Promise<boolean> {
    const { env, layout } = this.#home;
    for (const { id } of await env.store.read((view) => view.authorities.all())) {
      if ((await textOf(layout.authorityKey(id))) !== placedPem) continue;
      await rm(layout.domainContainer, { force: true });
      await rm(layout.domainKey);
      return true;
    }
    return false;
  }

  async #hasOtherCertificate(issuer: Certificate): Promise<boolean> {
    const placed = await placedCertificate(this.#home.layout);
    return placed === null || !bytesEqual(placed.der, issuer.der);
  }

  async #writeCertificate(chain: readonly [Certificate, ...Certificate[]]): Promise<void> {
    if (!(await this.#hasOtherCertificate(chain[0]))) return;
    const { domainCertificate } = this.#home.layout;
    const pem = chain.map(({ der }) => encodePem("CERTIFICATE", der)).join("");
    await ensureFolder(dirname(domainCertificate), 0o700);
    await writeFileAtomic(domainCertificate, pem, { mode: 0o644 });
  }

  /** The key file is copied last: where it is the same, all of them are up to date. */
  async #writeKeys(
    { id }: Authority,
    [certificate, ...chain]: readonly [Certificate, ...Certificate[]],
    keyPem: string,
  ): Promise<void> {
    const { env, layout } = this.#home;
    const { files } = env.authorityKeys;
    const privateKey = await files.read(layout.authorityKey(id));
    const container = files.container({ privateKey, certificate, chain });
    await writeFileAtomic(layout.domainContainer, container, { mode: 0o600 });
    await this.#writeCertificate([certificate, ...chain]);
    await writeFileAtomic(layout.domainKey, keyPem, { mode: 0o600 });
  }

  /** Takes the key that an operator placed here; what keeps it from that is a finding. */
  async #takePlaced(authority: Authority, issuer: Certificate): Promise<Finding | null> {
    const { env, layout, hostId } = this.#home;
    const placed = await placedCertificate(layout);
    const container = await readFile(layout.domainContainer).catch(() => null);
    const finding = (text: string): Finding => ({
      code: "placed-key-refused",
      severity: "error",
      subject: hostId,
      text: `the key of a CA was placed in ${layout.domainKey}, and it is not used: ${text}`,
    });
    if (placed === null || !bytesEqual(placed.der, issuer.der))
      return finding(`${layout.domainCertificate} is not the certificate of ${authority.id}`);
    if (container === null) return finding(`${layout.domainContainer} is missing: copy it too`);
    const { files } = env.authorityKeys;
    if (await files.isLocked())
      return finding("it is encrypted: `gatehouse authority unlock` on this host takes it");
    let key: KeyObject;
    try {
      key = await files.read(layout.domainKey);
      const held = files.contents(container, layout.domainContainer);
      if (!bytesEqual(keyPairOf(held.privateKey).spki, keyPairOf(key).spki))
        return finding(`${layout.domainContainer} holds another key`);
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
      return finding(error.message);
    }
    if (!bytesEqual(keyPairOf(key).spki, issuer.spki))
      return finding(`it is not the key of ${authority.id}, the domain's CA`);
    await takePlacedKey(env, hostId, authority.id);
    await files.write(layout.authorityKey(authority.id), key);
    return null;
  }
}

async function placedCertificate({ domainCertificate }: HomeLayout): Promise<Certificate | null> {
  const pem = await textOf(domainCertificate);
  try {
    return pem === null ? null : (parseCertificatesPem(pem)[0] ?? null);
  } catch {
    return null;
  }
}

function shortList(serials: readonly string[]): string {
  const shown = serials.slice(0, 3).join(", ");
  return serials.length > 3 ? `${shown} and ${serials.length - 3} more` : shown;
}

async function textOf(path: string): Promise<string | null> {
  return readFile(path, "utf8").catch(() => null);
}
