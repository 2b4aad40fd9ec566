import type { AuthorityId, ProcessId, ServiceId } from "../kit/index.ts";
import type { StoreTransaction } from "./ports.ts";

/** Has members trust other authorities besides, or no longer, those that they do. */
export async function trustMembers(
  tx: StoreTransaction,
  change: {
    readonly members: readonly ProcessId[];
    readonly adds: readonly AuthorityId[];
    readonly removes: readonly AuthorityId[];
  },
): Promise<void> {
  const { members, adds, removes } = change;
  for (const member of await tx.topology.members()) {
    if (!members.includes(member.id)) continue;
    const kept = member.trusts.filter((id) => !removes.includes(id) && !adds.includes(id));
    const trusts = [...kept, ...adds];
    if (trusts.join() !== member.trusts.join()) await tx.topology.putMember({ ...member, trusts });
  }
}

/** Makes another member of a pair the active one; the one before hands over. */
export async function handOver(
  tx: StoreTransaction,
  { service: id, to }: { readonly service: ServiceId; readonly to: ProcessId },
): Promise<void> {
  const service = (await tx.topology.services()).find((each) => each.id === id);
  if (service === undefined || service.active === null || service.active.member === to) return;
  await tx.topology.putService({ ...service, active: { member: to, by: "hand-over" } });
}
