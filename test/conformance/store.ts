import { describe } from "vitest";
import { accountTests } from "./store/accounts.ts";
import { auditTests } from "./store/audit.ts";
import { credentialTests } from "./store/credentials.ts";
import { durabilityTests } from "./store/durability.ts";
import { feedTests } from "./store/feed.ts";
import type { StoreHarness } from "./store/harness.ts";
import { rolloutTests } from "./store/rollouts.ts";
import { topologyTests } from "./store/topology.ts";
import { transactionTests } from "./store/transactions.ts";

export type { StoreHarness } from "./store/harness.ts";

/** Everything that a store must do, whatever database is under it. */
export function describeStore(name: string, harness: StoreHarness): void {
  describe(`the store on ${name}`, () => {
    describe("topology", () => {
      topologyTests(harness);
    });
    describe("authorities, credentials, issuances", () => {
      credentialTests(harness);
    });
    describe("trust, rollouts, observations", () => {
      rolloutTests(harness);
    });
    describe("accounts, leases", () => {
      accountTests(harness);
    });
    describe("transactions", () => {
      transactionTests(harness);
    });
    describe("feed", () => {
      feedTests(harness);
    });
    describe("audit", () => {
      auditTests(harness);
    });
    describe("durability", () => {
      durabilityTests(harness);
    });
  });
}
