import { existsSync } from "node:fs";
import { DomainError, type HostId } from "../kit/index.ts";
import {
  credentialId,
  homeLayout,
  type Credential,
  type HomeLayout,
  type NodeSettings,
} from "../domain/index.ts";
import {
  asksForAll,
  elsewhereSigned,
  requestSignature,
  requireHost,
  submitCertificates,
  type ElsewhereSigned,
  type Submission,
} from "../control/index.ts";
import type { SigningRequestView } from "../contract/index.ts";
import {
  dropPendingKey,
  makePendingKey,
  readPendingKey,
  writeFileAtomic,
  type KeyProtection,
} from "../keys/index.ts";
import { bytesEqual, parseRequestPem, type Certificate } from "../pki/index.ts";
import { readNodeSettings } from "../transport/index.ts";
import { presentOwnIdentity, withStoppedAdmin, type StoppedAdmin } from "./stopped-admin.ts";
import { signingRequestViews } from "./signing-request-views.ts";

const actor = "system:recover";

type Own = Pick<NodeSettings, "nodeManagerId">;
const folderOf = ({ temporaryKeys }: HomeLayout, { nodeManagerId }: Own): string =>
  `${temporaryKeys}/${nodeManagerId}`;
/** Tells it from the key of a renewal that is waited for. */
const markOf = (layout: HomeLayout, own: Own): string => `${folderOf(layout, own)}/recovery.json`;

/** True where `gatehouse recover` waits for the certificate of this home's Admin Node Manager. */
export async function awaitsRecovery(home: string): Promise<boolean> {
  const layout = homeLayout(home);
  const settings = await readNodeSettings(layout.nodeSettings);
  return settings !== null && existsSync(markOf(layout, settings));
}

/** How the identity of this home's Admin Node Manager is signed elsewhere; null: an own CA signs it. */
export function ownIdentityElsewhere({
  env,
  settings,
}: StoppedAdmin): Promise<ElsewhereSigned | null> {
  return env.store.read(async (view) => {
    const id = credentialId(settings.nodeManagerId as Credential["process"], "management");
    const credential = await view.credentials.get(id);
    return credential === undefined ? null : elsewhereSigned(view, credential);
  });
}

/**
 * Has the request for the identity of this home's Admin Node Manager wait in the store, of a renewal
 * that is under way or made now. Returns every request that waits: some of other hosts may.
 */
export async function requestOwnIdentity(
  admin: StoppedAdmin,
  wanted: ElsewhereSigned,
  keys: KeyProtection,
): Promise<SigningRequestView[]> {
  const { env, layout, settings } = admin;
  const folder = folderOf(layout, settings);
  const kept = await readPendingKey(folder, keys);
  // One that was brought before may have expired like the others.
  const isKept =
    kept !== null && !wanted.isSigned && asksForAll(parseRequestPem(kept.requestPem), wanted);
  const { requestPem } = isKept ? kept : await makePendingKey(folder, wanted, keys);
  await requestSignature(env, {
    hostId: settings.hostId as HostId,
    credentialId: credentialId(settings.nodeManagerId as Credential["process"], "management"),
    requestPem,
    actor,
  });
  await writeFileAtomic(markOf(layout, settings), "{}\n", { mode: 0o600 });
  const requests = await env.store.read(signingRequestViews);
  return requests.filter(({ isSigned }) => !isSigned);
}

export interface SubmittedToHome {
  readonly submissions: readonly Submission[];
  /** Null: the certificate of this home's Admin Node Manager was not among those that were right. */
  readonly recovered: { readonly hostId: string; readonly epoch: number } | null;
}

/**
 * Takes certificates for requests that wait in the store of a home whose Admin Node Manager is
 * stopped, as `submitCertificates`; with its own it can be started. Throws `home-missing`,
 * `home-locked`, `not-found` where no recovery waits.
 */
export function submitToHome(
  home: string,
  of: { readonly certificates: readonly Certificate[]; readonly keys: KeyProtection },
): Promise<SubmittedToHome> {
  return withStoppedAdmin(home, async (admin) => {
    const { env, layout, settings } = admin;
    const { certificates, keys } = of;
    const folder = folderOf(layout, settings);
    const key = await readPendingKey(folder, keys);
    if (key === null)
      throw new DomainError("not-found", `${home} does not wait for a certificate of its own`);
    const submissions = await submitCertificates(env, { certificates, actor });
    const { spki } = parseRequestPem(key.requestPem);
    const wanted = await ownIdentityElsewhere(admin);
    // Brought with this, or before.
    if (wanted?.isSigned !== true || wanted.requestedSpki !== key.spki)
      return { submissions, recovered: null };
    const host = await env.store.read((view) => requireHost(view, settings.hostId as HostId));
    const certificate = certificates.find((each) => bytesEqual(each.spki, spki));
    const signed = certificate === undefined ? { key } : { key, certificate };
    const epoch = await presentOwnIdentity(admin, { host, actor, keys, signed });
    await dropPendingKey(folder);
    return { submissions, recovered: { hostId: host.id, epoch } };
  });
}
