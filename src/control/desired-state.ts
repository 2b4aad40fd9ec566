import type { HostId } from "../kit/index.ts";
import {
  adminProcessOf,
  anchorsFor,
  isSignedElsewhere,
  type Authority,
  type Credential,
  type Group,
  type Host,
  type HostObservation,
} from "../domain/index.ts";
import type { DesiredState } from "../contract/index.ts";
import type { ControlEnvironment } from "./environment.ts";
import { nodeManagerNames } from "./leaf-names.ts";
import type { StoreView } from "./ports.ts";
import { isRenewedByPlan } from "./planned-renewals.ts";
import { wantedMembers } from "./wanted-members.ts";
import { elsewhereSigned } from "./signing-requests.ts";
import { currentTrust, decodeTrust, hostDocumentOf, requireHost } from "./publish-trust.ts";

const trustLinksPerAnswerMax = 500;

/** What the Node Manager of a host should make true, with the trust links above its own epoch. */
export async function desiredStateOf(
  view: StoreView,
  env: ControlEnvironment,
  request: { readonly hostId: HostId; readonly epoch: number; readonly revision: number },
): Promise<DesiredState> {
  const host = await requireHost(view, request.hostId);
  const { id: trustDomain } = await view.topology.domain();
  const trust = await currentTrust(view);
  const authorities = await view.authorities.all();
  const introduced = authorities.filter(
    (authority) =>
      authority.status === "next" &&
      !isSignedElsewhere(authority) &&
      anchorsFor(trust, authority.usage).some((anchor) => anchor.authorityId === authority.id),
  );
  const isElsewhere = authorities.some(isSignedElsewhere);
  const groups = new Map((await view.topology.groups()).map((group) => [group.id, group]));
  const instances = await view.topology.instances(host.id);
  const services = await view.topology.services();
  const links = await view.trust.after(request.epoch, trustLinksPerAnswerMax);
  const credentials = await view.credentials.ofHost(host.id);
  return {
    revision: request.revision,
    trust: links.map((link) => link.envelope),
    hostDocument: await hostDocumentOf(view, env, host.id),
    credentials: await Promise.all(
      credentials.map(async (credential) => ({
        id: credential.id,
        process: credential.process,
        usage: credential.usage,
        authorityId: credential.desired.authorityId,
        minSequence: credential.desired.minSequence,
        maxSequence: credential.desired.maxSequence,
        presentableSequence: await presentableSequence(view, credential, host),
        ...(isRenewedByPlan({ services }, credential) ? { isRenewedByPlan: true } : {}),
        ...(isElsewhere ? await elsewherePart(view, credential) : {}),
        subject:
          credential.process === host.nodeManager.id
            ? nodeManagerNames(host, trustDomain).subject
            : `CN=${credential.process}`,
      })),
    ),
    instances: instances.map(({ hostId: _hostId, tags: _tags, ...instance }) => ({
      ...instance,
      configuration: mutable(
        groups.get(instance.groupId)?.configuration ?? { routes: [], dnsNames: [] },
      ),
    })),
    dial: host.dial,
    role: wantedRole(host, authorities),
    keyPassphrase: host.keyPassphrase?.text ?? null,
    passphrases: [...new Set(instances.map(({ groupId }) => groupId))].flatMap((id) =>
      passphrasePart(groups.get(id), host.id),
    ),
    members: await wantedMembers(view, host.id),
    prove: introduced.map((authority) => authority.id),
  };
}

function passphrasePart(
  group: Group | undefined,
  hostId: HostId,
): NonNullable<DesiredState["passphrases"]> {
  if (group?.passphrase === undefined) return [];
  const { version, hash, sealed } = group.passphrase;
  const text = sealed[hostId]?.text ?? null;
  return [{ groupId: group.id, version, isSet: hash !== null, sealed: text }];
}

async function elsewherePart(
  view: StoreView,
  credential: Credential,
): Promise<Pick<DesiredState["credentials"][number], "elsewhere">> {
  const signed = await elsewhereSigned(view, credential);
  return signed === null
    ? {}
    : { elsewhere: { ...signed, alternativeNames: [...signed.alternativeNames] } };
}

/** What the Node Manager of a host is to be; of the keys it held those stay that nobody else has. */
function wantedRole(
  { id, nodeManager }: Host,
  authorities: readonly Authority[],
): NonNullable<DesiredState["role"]> {
  const { isAdmin, name, port } = nodeManager;
  const held = authorities.filter(({ holders }) => holders.includes(id));
  return { isAdmin, name, port, keepKeysOf: held.map((authority) => authority.id) };
}

type WireConfiguration = DesiredState["instances"][number]["configuration"];

function mutable(configuration: {
  readonly routes: readonly unknown[];
  readonly dnsNames: readonly string[];
}): WireConfiguration {
  return configuration as WireConfiguration;
}

/**
 * How far the generations of a credential may be presented. Only an Admin Node Manager has to
 * wait: its peers are on other hosts and know its new key from the trust document, so it is shown
 * once every host that is connected has loaded one that names it. Hosts that are away fetch it
 * when they come back, before they compare keys.
 */
async function presentableSequence(
  view: StoreView,
  credential: Credential,
  host: Host,
): Promise<number> {
  if (!host.nodeManager.isAdmin || credential.process !== host.nodeManager.id)
    return credential.lastSequence;
  const observations = await view.observations.hosts();
  const newestMs = Math.max(0, ...observations.map((observation) => observation.receivedAtMs));
  const epochs = observations
    .filter((o) => newestMs - o.receivedAtMs < connectedWithinMs)
    .map((o) => nodeEpoch(o, host));
  const loadedEverywhere = Math.min(...epochs);
  let known = new Set(credential.recorded.map((key) => key.spki));
  if (Number.isFinite(loadedEverywhere)) known = await adminKeysAt(view, host, loadedEverywhere);
  return Math.max(
    0,
    ...credential.recorded.filter((key) => known.has(key.spki)).map((key) => key.sequence),
  );
}

const connectedWithinMs = 15_000;

/** The lowest epoch loaded by the Node Manager of a host (and by the Admin Node Manager itself). */
function nodeEpoch(observation: HostObservation, admin: Host): number {
  const isNodeManager = (id: string): boolean =>
    id.startsWith("nodemanager-") || id === adminProcessOf(admin.nodeManager.id);
  const loaded = observation.processes
    .filter((process) => isNodeManager(process.id))
    .map((process) => process.loadedEpoch ?? 0);
  return Math.min(...loaded);
}

async function adminKeysAt(view: StoreView, host: Host, epoch: number): Promise<Set<string>> {
  const [link] = await view.trust.after(epoch - 1, 1);
  const document = link === undefined ? await currentTrust(view) : decodeTrust(link);
  return new Set(document.admins.find((admin) => admin.id === host.nodeManager.id)?.keys ?? []);
}
