import { isServiceUsage, type AuthorityUsage, type ProcessUsage } from "../../src/domain/index.ts";

/** The simulated domain has no services: a usage is one of our own processes'. */
export function ownUsage(usage: AuthorityUsage): ProcessUsage {
  if (isServiceUsage(usage)) throw new Error(`${usage} is not simulated`);
  return usage;
}
