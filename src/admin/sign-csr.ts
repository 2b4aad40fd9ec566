import { DomainError, type HostId } from "../kit/index.ts";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { authorityChain, importIssuances } from "../control/index.ts";
import { keySigner, signRequest, unattendedLifetimeSeconds } from "../keys/index.ts";
import { encodePem, formatName, type Certificate } from "../pki/index.ts";
import { lockHome } from "../store/index.ts";
import { readNodeSettings } from "../transport/index.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { openEnvironment, type HomeEnvironment } from "./environment.ts";
import { machineClock } from "./machine-clock.ts";
import { LeafLifetime } from "./openssl-config.ts";
import { hasPlacedAuthority, noteSigned, readPlacedAuthority } from "./placed-authority.ts";
import { readTrustKey } from "./trust-key.ts";

/** What was signed for somebody outside the domain. */
export interface SignedCsr {
  /** The certificate first, then its issuers. */
  readonly chainPem: string;
  readonly serial: string;
  readonly subject: string;
  readonly notAfterMs: number;
  /** True: it ends with its CA, earlier than it would by itself. */
  readonly isCut: boolean;
}

/**
 * Signs what a request asks for with the domain's CA, whose key this process has to hold; it is on
 * record before this resolves. Throws as `signRequest`, `authority-unavailable`.
 */
export async function signCsr(
  env: HomeEnvironment,
  { requestPem, actor }: { readonly requestPem: string; readonly actor: string },
): Promise<SignedCsr> {
  const authority = await env.store.read((view) => view.authorities.current("management"));
  const chain = authorityChain(authority);
  // It does not renew itself: the life of the domain's own leaves is too short for it.
  const lifetimeSeconds = env.lifetime.now().seconds ?? unattendedLifetimeSeconds;
  const certificate = await env.authorityKeys.signRequest(authority.id, {
    requestPem,
    issuer: chain[0],
    lifetimeSeconds,
  });
  await importIssuances(env, authority, [certificate], { actor, action: "certificate.sign" });
  return signedCsr(certificate, chain);
}

/**
 * `managedomain --sign_csr` while no Admin Node Manager runs: with the CA of the home's domain, or
 * with one that was placed in a home of no domain. Throws as `signCsr`, `home-missing`,
 * `home-locked`, `unauthenticated` where the passphrase of the keys is missing, `forbidden` where it
 * is wrong.
 */
export async function signCsrOffline(
  home: string,
  { requestPem, passphrase }: { readonly requestPem: string; readonly passphrase: string | null },
): Promise<SignedCsr> {
  const layout = homeLayout(home);
  const settings = await readNodeSettings(layout.nodeSettings);
  if (settings === null) {
    if (hasPlacedAuthority(layout)) return signPlaced(layout, requestPem, passphrase);
    throw new DomainError(
      "home-missing",
      `${home} has no CA: make one with \`managedomain --initialize\`, or place domain.p12, domainkey.pem and domaincert.pem there`,
    );
  }
  const lock = await lockHome(layout.store);
  try {
    const trustKey = await readTrustKey(layout);
    const env = await openEnvironment(layout, settings.nodeManagerId, trustKey);
    try {
      const { authorityKeys } = env;
      if (passphrase !== null) await authorityKeys.unlock(passphrase);
      if (await authorityKeys.isLocked())
        throw new DomainError(
          "unauthenticated",
          "the key of the CA is encrypted: give --domain_passphrase_file or --domain_passphrase_exec",
        );
      const signed = await signCsr(env, { requestPem, actor: "system:sign-csr" });
      const hostId = settings.hostId as HostId;
      await new AuthorityFolder({ env, layout, hostId }).update();
      return signed;
    } finally {
      await env.close();
    }
  } finally {
    lock.release();
  }
}

async function signPlaced(
  layout: HomeLayout,
  requestPem: string,
  passphrase: string | null,
): Promise<SignedCsr> {
  const ca = await readPlacedAuthority(layout, passphrase ?? "", {
    atMs: machineClock.nowMs(),
    leaves: [],
  });
  const lifetimeSeconds = new LeafLifetime(layout).now().seconds ?? unattendedLifetimeSeconds;
  const issuer = { certificate: ca.certificate, signer: keySigner(ca.privateKey) };
  const certificate = await signRequest(requestPem, issuer, lifetimeSeconds);
  await noteSigned(layout, certificate);
  return signedCsr(certificate, [ca.certificate, ...ca.chain]);
}

function signedCsr(certificate: Certificate, chain: readonly Certificate[]): SignedCsr {
  const pem = [certificate, ...chain].map(({ der }) => encodePem("CERTIFICATE", der));
  const { serialHex, notAfterMs, subject } = certificate;
  return {
    chainPem: pem.join(""),
    serial: serialHex,
    subject: formatName(subject),
    notAfterMs,
    isCut: notAfterMs === chain[0]?.notAfterMs,
  };
}
