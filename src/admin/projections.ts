import { currentTrust } from "../control/index.ts";
import { ensureFolder, writeFileAtomic } from "../keys/index.ts";
import { dirname } from "node:path";
import type { AdminState } from "./admin-state.ts";
import { productVersion } from "./product.ts";

/** Writes `topology.json` from the store, which is the truth, in the shape of the documented REST model. */
export async function writeProjections(state: Pick<AdminState, "env" | "layout">): Promise<void> {
  const { env, layout } = state;
  const { topology, revision, issuedAtMs } = await env.store.read(async (view) => ({
    topology: await view.topology.whole(),
    revision: await env.store.revision(),
    issuedAtMs: (await currentTrust(view)).issuedAtMs,
  }));
  const nodeManagers = topology.hosts.map((host) => ({
    id: host.nodeManager.id,
    name: host.nodeManager.name,
    type: "nodemanager",
    scheme: "https",
    hostID: host.id,
    managementPort: host.nodeManager.port,
    tags: host.nodeManager.isAdmin ? { internal_admin_nm: "true" } : {},
    enabled: true,
  }));
  const groups = topology.groups.map((group) => ({
    id: group.id,
    name: group.name,
    tags: {},
    services: topology.instances
      .filter((instance) => instance.groupId === group.id)
      .map((instance) => ({
        id: instance.id,
        name: instance.name,
        type: "gateway",
        scheme: "https",
        hostID: instance.hostId,
        managementPort: instance.managementPort,
        tags: instance.tags,
        enabled: instance.enabled,
      })),
  }));
  const document = {
    id: topology.domain.id,
    version: revision,
    timestamp: issuedAtMs,
    productVersion,
    fips: false,
    hosts: topology.hosts.map(({ id, name }) => ({ id, name })),
    groups: [
      { id: "group-1", name: "Node Manager Group", tags: {}, services: nodeManagers },
      ...groups,
    ],
  };
  await ensureFolder(dirname(layout.topologyJson), 0o700);
  await writeFileAtomic(layout.topologyJson, `${JSON.stringify(document, null, 2)}\n`, {
    mode: 0o600,
  });
}
