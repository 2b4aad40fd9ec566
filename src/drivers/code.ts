import type { WantedRole } from "../domain/index.ts";
import { amlenCode } from "./amlen/code.ts";
import type { Description } from "./description.ts";
import type { DriverCode, MemberAt } from "./driver-code.ts";
import { postgresql } from "./postgresql/postgresql.ts";
import { redis } from "./redis/redis.ts";

type Code = NonNullable<Description["code"]>;

const all: Readonly<Partial<Record<Code, DriverCode>>> = { amlen: amlenCode, postgresql, redis };

/** What the driver of a description does in code; nothing where the description says all. */
export function codeOf({ code }: Pick<Description, "code">): DriverCode {
  return (code === undefined ? undefined : all[code]) ?? {};
}

/**
 * One step towards the wanted role; to be called again until the status shows it. Nothing where the
 * driver has no roles. Throws as the driver says.
 */
export async function takeRole(member: MemberAt, wanted: WantedRole): Promise<void> {
  await codeOf(member.description).takeRole?.(member, wanted);
}

/**
 * Mistakes in the values of a member that only its driver knows, rules between several values among
 * them; each is a clause that says what to do.
 */
export function valueMistakes(
  member: Pick<MemberAt, "description" | "values" | "settings" | "others">,
): string[] {
  return codeOf(member.description).mistakes?.(member) ?? [];
}

/** What whoever gives a member these settings has to know though none is wrong; one line each. */
export function valueNotes(member: Pick<MemberAt, "description" | "settings">): string[] {
  return codeOf(member.description).notes?.(member) ?? [];
}

/**
 * Gives the running server of a member its settings where it does not have them; true if they
 * take effect with its next restart only. Nothing where the driver has none. Throws as the driver says.
 */
export async function formMember(member: MemberAt): Promise<boolean> {
  return (await codeOf(member.description).form?.(member)) ?? false;
}
