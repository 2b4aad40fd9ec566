import { describe } from "vitest";
import { accountTests } from "./conformance/accounts.ts";
import { auditTests } from "./conformance/audit.ts";
import { credentialTests } from "./conformance/credentials.ts";
import { durabilityTests } from "./conformance/durability.ts";
import { feedTests } from "./conformance/feed.ts";
import type { StoreHarness } from "./conformance/harness.ts";
import { rolloutTests } from "./conformance/rollouts.ts";
import { topologyTests } from "./conformance/topology.ts";
import { transactionTests } from "./conformance/transactions.ts";

export type { StoreHarness } from "./conformance/harness.ts";

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
