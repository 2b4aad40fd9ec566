import type { CredentialId } from "../kit/index.ts";
import { credentialId, type TrustDocument } from "../domain/index.ts";
import type { RouteResponse } from "../contract/index.ts";
import type { StoreView } from "../control/index.ts";
import { parseCertificate } from "../pki/index.ts";

type Targets = Omit<RouteResponse<"getVerificationTargets">, "id">;

/**
 * What a relying party has to prove under the loaded trust: the traffic authorities being introduced
 * at every listener that runs. Of the names of a listener's group those are given that its present
 * certificate has: a name that was just added is not yet shown, and one that was just taken away is
 * not shown for long.
 */
export async function verificationTargets(
  view: StoreView,
  trust: { readonly epoch: number; readonly document: Pick<TrustDocument, "anchors"> },
): Promise<Targets> {
  const { hosts, instances, groups } = await view.topology.whole();
  const observations = await view.observations.hosts();
  const active = new Map(
    hosts.filter((host) => host.status === "active").map((host) => [host.id, host]),
  );
  const running = new Set(
    observations
      .flatMap((host) => host.processes)
      .filter((process) => process.state === "running")
      .map((process) => process.id),
  );
  const configured = new Map(groups.map(({ id, configuration }) => [id, configuration.dnsNames]));
  const listeners: Targets["listeners"] = [];
  for (const { id, hostId, groupId, servicesPort: port } of instances) {
    const host = active.get(hostId);
    if (host === undefined || !running.has(id)) continue;
    const shown = await namesShown(view, credentialId(id, "traffic"));
    const dnsNames = (configured.get(groupId) ?? []).filter((name) => shown.has(name));
    listeners.push({ process: id, address: host.address, port, dnsNames });
  }
  const anchored = new Set(trust.document.anchors.map((anchor) => anchor.authorityId));
  const introduced = (await view.authorities.all()).filter(
    ({ id, usage, status }) => usage === "traffic" && status === "next" && anchored.has(id),
  );
  return { epoch: trust.epoch, prove: introduced.map(({ id }) => id), listeners };
}

/** DNS names of the newest certificate of a credential that was seen on the wire. */
async function namesShown(view: StoreView, id: CredentialId): Promise<ReadonlySet<string>> {
  const key = (await view.credentials.get(id))?.recorded.findLast(({ confirmed }) => confirmed);
  const issuance = key && (await view.issuances.find(key.authorityId, key.serial));
  const names = issuance && parseCertificate(issuance.der).extensions.subjectAltName;
  return new Set(names?.flatMap((name) => (name.type === "dns" ? [name.value] : [])));
}
