import { DomainError } from "../kit/index.ts";
import {
  formatSpiffeId,
  isIpAddress,
  isServiceUsage,
  nameLengthMax,
  type AuthorityUsage,
  type Credential,
  type Group,
  type Host,
  type Instance,
} from "../domain/index.ts";
import type { LeafText } from "../pki/index.ts";
import type { StoreView } from "./ports.ts";
import { roleOf } from "./publish-trust.ts";

/** What the certificate of a credential is to say: by the topology, never by the request for it. */
export async function leafNames(
  view: StoreView,
  credential: Credential,
  host: Host,
): Promise<LeafText> {
  const { id: trustDomain } = await view.topology.domain();
  if (credential.process === host.nodeManager.id) return nodeManagerNames(host, trustDomain);
  if (isServiceUsage(credential.usage)) return memberNames(view, credential, host);
  const instance = (await view.topology.instances(host.id)).find(
    (candidate) => candidate.id === credential.process,
  );
  const group = (await view.topology.groups()).find(
    (candidate) => candidate.id === instance?.groupId,
  );
  if (instance === undefined || group === undefined)
    throw new DomainError("not-found", `${credential.process} is not in the topology any more`);
  return instanceNames({ instance, group, host, usage: credential.usage, trustDomain });
}

/** Names of a Node Manager: its identity, and the addresses at which clients call an Admin Node Manager. */
export function nodeManagerNames(host: Host, trustDomain: string): LeafText {
  const role = roleOf(host);
  return {
    profile: role,
    subject: `CN=${host.nodeManager.id},OU=group-1,DC=${host.id}`,
    alternativeNames: distinct([
      `URI:${formatSpiffeId({ trustDomain, role, subject: host.id })}`,
      ...[host.address, "localhost", "127.0.0.1"].map(addressName),
      ...(host.alternativeNames ?? []),
    ]),
  };
}

function instanceNames(of: {
  instance: Instance;
  group: Group;
  host: Host;
  usage: AuthorityUsage;
  trustDomain: string;
}): LeafText {
  const { instance, group, host, usage, trustDomain } = of;
  if (usage === "traffic") {
    const names = [...group.configuration.dnsNames, host.address];
    const common = names.find((name) => name.length <= nameLengthMax) ?? instance.id;
    return {
      profile: "traffic",
      subject: `CN=${common}`,
      alternativeNames: distinct(names.map(addressName)),
    };
  }
  return {
    profile: "gateway",
    subject: `CN=${instance.id},OU=${group.id},DC=${host.id}`,
    alternativeNames: [
      `URI:${formatSpiffeId({ trustDomain, role: "gateway", subject: instance.id })}`,
      ...["localhost", "127.0.0.1"].map(addressName),
    ],
  };
}

/** Names by which callers and other members know a member; it is server and client to them. */
async function memberNames(
  view: StoreView,
  { process, usage }: Credential,
  host: Host,
): Promise<LeafText> {
  const member = (await view.topology.members()).find(({ id }) => id === process);
  const service = (await view.topology.services()).find(({ id }) => id === usage);
  if (member === undefined || service === undefined)
    throw new DomainError("not-found", `${process} is not in the topology any more`);
  const names = [...member.dnsNames, ...service.dnsNames, host.address];
  return {
    profile: "member",
    subject: `CN=${names.find((name) => name.length <= nameLengthMax) ?? member.id}`,
    alternativeNames: distinct(names.map(addressName)),
  };
}

function addressName(address: string): string {
  return `${isIpAddress(address) ? "IP" : "DNS"}:${address}`;
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)];
}
