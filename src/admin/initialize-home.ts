import { randomUUID } from "node:crypto";
import { isSignedElsewhere, type HomeLayout, type NodeSettings } from "../domain/index.ts";
import { initializeDomain, type FirstAdministrator } from "../control/index.ts";
import type { GivenAuthority } from "../planning/index.ts";
import { fingerprintOfPem } from "../transport/index.ts";
import { AuthorityFolder } from "./authority-folder.ts";
import { fillEmptyHome } from "./empty-home.ts";
import { openEnvironment } from "./environment.ts";
import {
  issueOwnIdentity,
  writeOwnSettings,
  writeOwnTrust,
  type SignedIdentity,
} from "./own-identity.ts";
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
  /** Encrypts the keys of the CAs; null: they are in files that only their owner can read. */
  readonly passphrase?: string | null;
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
  return fillEmptyHome(home, (layout) => makeDomain(layout, request));
}

async function makeDomain(
  layout: HomeLayout,
  request: InitializeHomeRequest,
): Promise<InitializedHome> {
  const trustKey = await createTrustKey(layout);
  const env = await openEnvironment(layout, "nodemanager-1", trustKey);
  try {
    const { passphrase = null, identity } = request;
    const domainId = identity?.domainId ?? randomUUID();
    if (passphrase !== null) env.authorityKeys.files.protectWith(passphrase);
    const given = identity === undefined ? {} : { given: identity.authority };
    const host = await initializeDomain(env, { ...request, ...given, domainId });
    // Not at its first start, where its home may be locked.
    await announceSealingKey({ env, layout, hostId: host.id });
    const of = { host, domainId, actor: "system:initialize", signed: identity };
    const hostDocument = await issueOwnIdentity(env, layout, of);
    const authority = await env.store.read((view) => view.authorities.current("management"));
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
    };
  } finally {
    await env.close();
  }
}
