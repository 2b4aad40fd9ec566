import type { HostId } from "../kit/index.ts";
import { wantedRole, type Member, type Topology } from "../domain/index.ts";
import type { WantedMember } from "../contract/index.ts";
import type { StoreView } from "./ports.ts";

/** The members of services that the Node Manager of a host is to look after. */
export async function wantedMembers(view: StoreView, hostId: HostId): Promise<WantedMember[]> {
  const members = await view.topology.members();
  if (!members.some((member) => member.hostId === hostId)) return [];
  const topology = await view.topology.whole();
  return members
    .filter((member) => member.hostId === hostId)
    .flatMap((member) => wantedMember(topology, member));
}

function wantedMember({ services, members, hosts }: Topology, member: Member): WantedMember[] {
  const service = services.find(({ id }) => id === member.serviceId);
  if (service === undefined) return [];
  const addressOf = new Map(hosts.map(({ id, address }) => [id, address]));
  const { id, name, serviceId, variables, settings, enabled, trusts, pair } = member;
  return [
    {
      id,
      name,
      serviceId,
      serviceName: service.name,
      shape: service.shape,
      description: service.driver.description,
      variables: { ...variables },
      ...(settings === undefined ? {} : { settings }),
      supervised: service.supervised,
      enabled,
      trusts: [...trusts],
      role: wantedRole(service, member),
      pair,
      // Replicas have nothing to say to each other.
      others: (service.shape === "replicas" ? [] : members)
        .filter((other) => other.serviceId === serviceId && other.id !== id)
        .map((other) => ({
          id: other.id,
          name: other.name,
          address: addressOf.get(other.hostId) ?? "",
          pair: other.pair,
          variables: { ...other.variables },
        })),
    },
  ];
}
