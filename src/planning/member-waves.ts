import type { ProcessId } from "../kit/index.ts";
import type { Member, Service } from "../domain/index.ts";

/** Members of a service that are changed together, and who takes over before that. */
export interface MemberWave {
  readonly members: readonly ProcessId[];
  /** Null: nobody has to. */
  readonly handOverTo: ProcessId | null;
}

export interface WavesOf {
  readonly service: Pick<Service, "shape" | "maxUnavailable" | "driver">;
  readonly members: readonly Member[];
  /** Who is active, by pair (null: the service itself), when the first wave begins. */
  readonly active: ReadonlyMap<string | null, ProcessId>;
  /** The change takes a member away for a while: then another one of its pair is made active first. */
  readonly interrupts: boolean;
}

/**
 * Orders the members of a service for a change: the canary first, alone; standbys before the active
 * ones; of pairs and clusters one at a time, of replicas as many as may be away at once. In a
 * cluster of pairs all standbys come first, so that never both of a pair are away. Returns the waves, and who is
 * active after them.
 */
export function memberWaves(of: WavesOf): {
  waves: MemberWave[];
  active: ReadonlyMap<string | null, ProcessId>;
} {
  const { service, members, interrupts } = of;
  const active = new Map(of.active);
  const isActive = ({ id, pair }: Member): boolean => of.active.get(pair) === id;
  const ordered = [...members.filter((m) => !isActive(m)), ...members.filter(isActive)];
  const [canary, ...rest] = ordered;
  if (canary === undefined) return { waves: [], active };
  const size = service.shape === "replicas" ? service.maxUnavailable : 1;
  const groups = [[canary], ...slicesOf(rest, size)];
  const waves = groups.map((group): MemberWave => {
    const [only] = group;
    const partner =
      only !== undefined && interrupts && service.driver.traits.roles !== "none" && isActive(only)
        ? partnerOf(service, only, members)
        : undefined;
    // Servers that see to their roles themselves make it active when the other one goes.
    if (partner !== undefined) active.set(partner.pair, partner.id);
    const isHandedOver = service.driver.traits.roles === "driver";
    return {
      members: group.map(({ id }) => id),
      handOverTo: (isHandedOver ? partner?.id : undefined) ?? null,
    };
  });
  return { waves, active };
}

function partnerOf(
  { shape }: Pick<Service, "shape">,
  { id, pair }: Member,
  members: readonly Member[],
): Member | undefined {
  if (shape !== "pair" && pair === null) return undefined;
  return members.find((each) => each.id !== id && each.pair === pair);
}

function slicesOf<T>(items: readonly T[], size: number): T[][] {
  const slices: T[][] = [];
  for (let at = 0; at < items.length; at += size) slices.push(items.slice(at, at + size));
  return slices;
}
