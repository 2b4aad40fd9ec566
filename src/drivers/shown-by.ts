import { codeOf } from "./code.ts";
import type { MemberAt } from "./driver-code.ts";
import { shownOn, type Shown } from "./served.ts";

/**
 * Where a member's certificate is to be seen now, and what is seen there: on the ports of its
 * description, or where the code of its driver looks. Throws where that says that its server has given up.
 */
export async function shownBy(member: MemberAt): Promise<readonly Shown[]> {
  const { shows } = codeOf(member.description);
  return shows === undefined ? shownOn(member.description.served) : shows(member);
}
