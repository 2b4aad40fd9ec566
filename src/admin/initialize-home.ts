import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import {
  homeLayout,
  isSignedElsewhere,
  type HomeLayout,
  type KeyInToken,
  type NodeSettings,
} from "../domain/index.ts";
import {
  firstHost,
  initializeDomain,
  nodeManagerNames,
  type FirstAdministrator,
} from "../control/index.ts";
import { DomainError, type AuthorityId } from "../kit/index.ts";
import { KeyProtection, type KeyAndChain } from "../keys/index.ts";
import { encodePem, formatName, isSelfIssued, leafTemplate, type LeafText } from "../pki/index.ts";
import type { SignatureDigest } from "../pki/index.ts";
import type { GivenAuthority } from "../planning/index.ts";
import { fingerprintOfPem } from "../transport/index.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { fillEmptyHome } from "./empty-home.ts";
import { openEnvironment, type HomeEnvironment } from "./environment.ts";
import { writeTokenSettings, type GivenToken, type TokenSettings } from "./home-token.ts";
import { machineClock } from "./machine-clock.ts";
import {
  issueOwnIdentity,
  writeOwnSettings,
  writeOwnTrust,
  type SignedIdentity,
} from "./own-identity.ts";
import { hasPlacedAuthority, readPlacedAuthority } from "./placed-authority.ts";
import { writeProjections } from "./projections.ts";
import { announceSealingKey } from "./sealing-key.ts";
import { createTrustKey } from "./trust-key.ts";

export interface InitializeHomeRequest {
  readonly domainName: string;
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  /** Further names in its certificate, as `DNS:name`. */
  readonly alternativeNames?: readonly string[];
  readonly administrator: FirstAdministrator;
  /** What the CA that is made signs with; absent: SHA-256. */
  readonly digest?: SignatureDigest;
  /** Encrypts the keys of the CAs; null: they are in files that only their owner can read. */
  readonly passphrase?: string | null;
  /** How the Node Manager's keys are protected; absent: by no passphrase. */
  readonly keys?: KeyProtection;
  /** Makes the keys of the CAs in this token, in place of files. */
  readonly token?: GivenToken;
  /** The identity that was signed elsewhere; absent: a CA is made that signs it. */
  readonly identity?: SignedIdentity & {
    readonly domainId: string;
    readonly authority: GivenAuthority;
  };
}

export interface InitializedHome {
  readonly settings: NodeSettings;
  readonly hostName: string;
  readonly administrator: string;
  /** Of the domain's management CA. */
  readonly authoritySubject: string;
  /** Hex SHA-256 of the domain's management CA: what people compare at the first contact. */
  readonly authorityFingerprint: string;
  /** Null: it is not on this host. */
  readonly authorityKeyFile: string | null;
  /** Absent: it is no key in a token. */
  readonly keyInToken?: KeyInToken;
}

/**
 * `managedomain --initialize`: makes a domain in an empty home folder, offline. The settings file
 * is written last and marks the home as done; what an interrupted or failed try left is removed.
 * Throws `home-exists`, `home-locked`, `disk-full`, `read-only`, `invalid-name`.
 */
export async function initializeHome(
  home: string,
  request: InitializeHomeRequest,
): Promise<InitializedHome> {
  const placed = request.identity === undefined && hasPlacedAuthority(homeLayout(home));
  return fillEmptyHome(home, (layout) => makeDomain(layout, request, placed));
}

async function makeDomain(
  layout: HomeLayout,
  request: InitializeHomeRequest,
  isPlaced: boolean,
): Promise<InitializedHome> {
  const { passphrase = null, identity, token } = request;
  const domainId = identity?.domainId ?? randomUUID();
  if (isPlaced && token !== undefined)
    throw new DomainError(
      "not-supported",
      `the CA placed in ${layout.domainContainer} has its key in a file: take it away, or leave out the token`,
    );
  // What an interrupted try has left.
  await rm(layout.tokenSettings, { force: true });
  const placed = isPlaced
    ? await readPlacedRoot(layout, passphrase ?? "", nodeManagerNames(firstHost(request), domainId))
    : null;
  const trustKey = await createTrustKey(layout);
  const env = await openEnvironment(layout, "nodemanager-1", trustKey);
  try {
    if (passphrase !== null) env.authorityKeys.files.protectWith(passphrase);
    if (token !== undefined) await useToken(env, layout, { ...token, domain: domainId });
    const given = identity === undefined ? {} : { given: identity.authority };
    const host = await initializeDomain(env, {
      ...request,
      ...given,
      ...(placed === null ? {} : await takePlaced(env, layout, placed)),
      domainId,
    });
    // Not at its first start, where its home may be locked.
    await announceSealingKey({ env, layout, hostId: host.id });
    const { keys = new KeyProtection() } = request;
    const of = { host, domainId, actor: "system:initialize", signed: identity, keys };
    const hostDocument = await issueOwnIdentity(env, layout, of);
    const authority = await env.store.read((view) => view.authorities.current("management"));
    const keyInToken = await env.authorityKeys.inToken(authority.id);
    await writeOwnTrust(env, layout, hostDocument);
    await writeProjections({ env, layout });
    await new AuthorityFolder({ env, layout, hostId: host.id }).update();
    const settings = await writeOwnSettings(layout, {
      host,
      domainId,
      trustKeyId: trustKey.keyId,
    });
    return {
      settings,
      hostName: host.name,
      administrator: request.administrator.name,
      authoritySubject: authority.subject,
      authorityFingerprint: fingerprintOfPem(authority.certificatePem),
      authorityKeyFile: isSignedElsewhere(authority) ? null : layout.authorityKey(authority.id),
      ...(keyInToken === null ? {} : { keyInToken }),
    };
  } catch (error) {
    if (token !== undefined) await leaveToken(env, layout);
    throw error;
  } finally {
    await env.close();
  }
}

/** Names the token in the home, and logs in at once: what is wrong is said before anything is made. */
async function useToken(
  env: HomeEnvironment,
  layout: HomeLayout,
  { pin, ...settings }: TokenSettings & GivenToken,
): Promise<void> {
  await writeTokenSettings(layout, settings);
  const { token } = env.authorityKeys;
  if (pin === null) await token.keys.open();
  else await token.unlock(pin);
}

/** Of a try that failed nothing stays in the token either. */
async function leaveToken(env: HomeEnvironment, layout: HomeLayout): Promise<void> {
  for (const id of ["management-1", "traffic-1"] as AuthorityId[])
    await env.authorityKeys.destroyInToken({ id }).catch(() => undefined);
  await rm(layout.tokenSettings, { force: true });
}

/**
 * The root that an operator placed in the home, able to sign for its Node Manager and to introduce
 * its successor. Throws as `readPlacedAuthority`, `not-supported`.
 */
async function readPlacedRoot(
  layout: HomeLayout,
  passphrase: string,
  leaf: LeafText,
): Promise<KeyAndChain> {
  const { profile, subjectAltName } = leafTemplate(leaf);
  const { extendedKeyUsage } = profile;
  const content = await readPlacedAuthority(layout, passphrase, {
    atMs: machineClock.nowMs(),
    leaves: [{ name: "nodemanager-1", subjectAltName, extendedKeyUsage }],
  });
  const { certificate } = content;
  if (isSelfIssued(certificate) && certificate.extensions.basicConstraints?.pathLength !== 0)
    return content;
  throw new DomainError(
    "not-supported",
    `the CA in ${layout.domainContainer} is no root that may have an authority below it: use it with --sign_with_user_provided --ca`,
  );
}

/** Puts the key where those of the domain's CAs are; it is encrypted as they are. */
async function takePlaced(
  env: HomeEnvironment,
  layout: HomeLayout,
  { certificate, privateKey }: KeyAndChain,
): Promise<{ readonly placedPem: string; readonly domainName: string }> {
  const id = "management-1" as AuthorityId;
  await env.authorityKeys.files.write(layout.authorityKey(id), privateKey);
  return {
    placedPem: encodePem("CERTIFICATE", certificate.der),
    domainName: formatName(certificate.subject),
  };
}
