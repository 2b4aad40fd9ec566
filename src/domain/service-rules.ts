import { DomainError } from "../kit/index.ts";
import { checkName, isDnsName, isIpAddress } from "./names.ts";
import type { Member, Service, ServiceShape } from "./service.ts";

type DeclaredService = Pick<Service, "name" | "shape" | "maxUnavailable" | "dnsNames">;
type DeclaredMember = Pick<Member, "name" | "dnsNames" | "pair">;

/** How many members a shape has at least. */
const membersMin: Readonly<Record<ServiceShape, number>> = { replicas: 1, pair: 2, cluster: 1 };

/**
 * Checks a service as it was declared, with its members: names, how many there are, and that what may
 * be away at once leaves it available. Throws `invalid-name` or `invalid-input`.
 */
export function checkService(service: DeclaredService, members: readonly DeclaredMember[]): void {
  const { name, shape, maxUnavailable } = service;
  checkName("service", name);
  for (const member of members) checkName("member", member.name);
  for (const text of [service, ...members].flatMap(({ dnsNames }) => dnsNames))
    if (!isDnsName(text) && !isIpAddress(text))
      throw new DomainError(
        "invalid-name",
        `${JSON.stringify(text)} in dnsNames of service ${name} is neither a DNS name nor an IP address`,
      );
  const refuse = (why: string): never => {
    throw new DomainError("invalid-input", `service ${name} ${why}`);
  };
  const names = members.map((member) => member.name);
  const twice = names.find((each, i) => names.indexOf(each) !== i);
  if (twice !== undefined) refuse(`has two members named ${twice}: name each once`);
  if (members.length < membersMin[shape])
    refuse(`has ${members.length} members: a ${shape} has at least ${membersMin[shape]}`);
  if (shape === "pair" && members.length !== 2)
    refuse(`has ${members.length} members: a pair has two`);
  if (maxUnavailable > availableAtMost(shape, members.length))
    refuse(
      `lets ${maxUnavailable} of ${members.length} members be away at once: at most ${availableAtMost(shape, members.length)} may`,
    );
  checkPairs(service, members, refuse);
}

/** Replicas keep one; a pair its partner; a cluster its quorum, more than half. */
function availableAtMost(shape: ServiceShape, count: number): number {
  const most = { replicas: count - 1, pair: 1, cluster: Math.floor((count - 1) / 2) }[shape];
  return Math.max(1, most);
}

function checkPairs(
  { shape }: DeclaredService,
  members: readonly DeclaredMember[],
  refuse: (why: string) => never,
): void {
  const pairs = Map.groupBy(
    members.filter(({ pair }) => pair !== null),
    ({ pair }) => pair,
  );
  if (pairs.size > 0 && shape !== "cluster")
    refuse("names pairs of its members: only those of a cluster have them");
  for (const [pair, of] of pairs)
    if (of.length !== 2) refuse(`has ${of.length} members in its pair ${pair}: a pair has two`);
}
