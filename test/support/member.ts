import type { Description, MemberAt } from "../../src/drivers/index.ts";

/** A member alone on this host, whose description names no variables any more. */
export function memberOf(description: Description): MemberAt {
  return { name: "one", description, values: {}, anchors: [], others: [] };
}
