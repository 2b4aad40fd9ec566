import type { StoreTransaction, StoreView } from "../control/index.ts";
import type { Executor, TransactionExecutor } from "./executor.ts";
import { AccountTables, AccountView } from "./tables/accounts.ts";
import { AuditView } from "./tables/audit.ts";
import { AuthorityTable, AuthorityView } from "./tables/authorities.ts";
import { CredentialTable, CredentialView } from "./tables/credentials.ts";
import { IssuanceTable, IssuanceView } from "./tables/issuances.ts";
import { LeaseTable } from "./tables/leases.ts";
import { ObservationTables, ObservationView } from "./tables/observations.ts";
import { readRevision } from "./tables/revision.ts";
import { RolloutTables, RolloutView } from "./tables/rollouts.ts";
import { TopologyTables, TopologyView } from "./tables/topology.ts";
import { TrustTable, TrustView } from "./tables/trust.ts";

/** What reads see: every table through one executor. */
export function viewThrough(executor: Executor): StoreView {
  return {
    topology: new TopologyView(executor),
    authorities: new AuthorityView(executor),
    credentials: new CredentialView(executor),
    issuances: new IssuanceView(executor),
    trust: new TrustView(executor),
    rollouts: new RolloutView(executor),
    observations: new ObservationView(executor),
    accounts: new AccountView(executor),
    audit: new AuditView(executor),
  };
}

/** What the work of a transaction gets: every table, to read and to write, through its executor. */
export function transactionThrough(executor: TransactionExecutor): StoreTransaction {
  return {
    topology: new TopologyTables(executor),
    authorities: new AuthorityTable(executor),
    credentials: new CredentialTable(executor),
    issuances: new IssuanceTable(executor),
    trust: new TrustTable(executor),
    rollouts: new RolloutTables(executor),
    observations: new ObservationTables(executor),
    accounts: new AccountTables(executor),
    audit: new AuditView(executor),
    leases: new LeaseTable(executor),
    revision: () => readRevision(executor),
  };
}
