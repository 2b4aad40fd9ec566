import type { Credential, Finding, Service } from "../domain/index.ts";
import { illnessOf, type Evidence } from "../planning/index.ts";

/** What is wrong with services: members that are away or not in step, and what was found on their hosts. */
export function serviceFindings({ evidence }: { readonly evidence: Evidence }): Finding[] {
  const { topology, credentials } = evidence.snapshot;
  const found = new Map(
    [...evidence.hostOf.values()].flatMap(({ members = [] }) =>
      members.map(({ id, findings }) => [id, findings]),
    ),
  );
  return topology.services.flatMap((service) => [
    ...illnessOf(evidence, service.id, () => false),
    ...topology.members
      .filter(({ serviceId }) => serviceId === service.id)
      .flatMap(({ id }) => withRemedy(found.get(id) ?? [], service, credentials)),
  ]);
}

/** Public credentials that a service runs with have one command that ends it. */
export function withRemedy(
  findings: readonly Finding[],
  { id, name }: Pick<Service, "id" | "name">,
  credentials: readonly Credential[],
): Finding[] {
  const isFound = credentials.some(
    ({ usage, desired }) => usage === id && desired.maxSequence === 0,
  );
  return findings.map((finding) =>
    isFound && finding.code === "well-known-credentials"
      ? {
          ...finding,
          text: `${finding.text}: \`gatehouse plan take-over ${name} --start --follow\``,
        }
      : finding,
  );
}
