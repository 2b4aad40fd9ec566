import { oid } from "../oid.ts";
import type { Lint } from "./lint.ts";

const roleOids: readonly string[] = [oid.nodeManager, oid.adminNodeManager, oid.gateway];

export const customUsage: Lint = {
  rule: "custom-usage",
  source: "design: a role needs serverAuth and clientAuth beside it, for both ends of mutual TLS",
  problem({ certificate: { extensions } }) {
    const usages = extensions.extendedKeyUsage ?? [];
    if (!usages.some((usage) => roleOids.includes(usage))) return null;
    if (!usages.includes(oid.serverAuth) || !usages.includes(oid.clientAuth)) {
      return "a role is there without serverAuth and clientAuth";
    }
    return usages.includes(oid.adminNodeManager) && !usages.includes(oid.nodeManager)
      ? "an Admin Node Manager is not a Node Manager"
      : null;
  },
};
