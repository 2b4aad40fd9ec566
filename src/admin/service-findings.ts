import type { Finding } from "../domain/index.ts";
import { illnessOf, type Evidence } from "../planning/index.ts";

/** What is wrong with services: members that are away or not in step, and what was found on their hosts. */
export function serviceFindings({ evidence }: { readonly evidence: Evidence }): Finding[] {
  const { services } = evidence.snapshot.topology;
  const found = [...evidence.hostOf.values()].flatMap(({ members = [] }) =>
    members.flatMap(({ findings }) => findings),
  );
  return [...services.flatMap(({ id }) => illnessOf(evidence, id, () => false)), ...found];
}
