import { assert, type Clock } from "../kit/index.ts";
import type { AuditEntry, StoreTransaction, StoreView } from "../control/index.ts";
import type { Executor, TransactionExecutor } from "./executor.ts";
import { AccountTables, AccountView } from "./tables/accounts.ts";
import { appendAudit, AuditView } from "./tables/audit.ts";
import { AuthorityTable, AuthorityView } from "./tables/authorities.ts";
import { CredentialTable, CredentialView } from "./tables/credentials.ts";
import { IssuanceTable, IssuanceView } from "./tables/issuances.ts";
import { LeaseTable } from "./tables/leases.ts";
import { ObservationTables, ObservationView } from "./tables/observations.ts";
import { raiseRevision, readRevision } from "./tables/revision.ts";
import { RolloutTables, RolloutView } from "./tables/rollouts.ts";
import { SealedKeyTable, SealedKeyView } from "./tables/sealed-keys.ts";
import { SigningRequestTable, SigningRequestView } from "./tables/signing-requests.ts";
import { TopologyTables, TopologyView } from "./tables/topology.ts";
import { TrustTable, TrustView } from "./tables/trust.ts";

/** What reads see: every table through one executor. */
export function viewThrough(executor: Executor): StoreView {
  return {
    topology: new TopologyView(executor),
    authorities: new AuthorityView(executor),
    sealedKeys: new SealedKeyView(executor),
    credentials: new CredentialView(executor),
    signingRequests: new SigningRequestView(executor),
    issuances: new IssuanceView(executor),
    trust: new TrustView(executor),
    rollouts: new RolloutView(executor),
    observations: new ObservationView(executor),
    accounts: new AccountView(executor),
    audit: new AuditView(executor),
  };
}

/** What an executor runs as one transaction; it may run again from the start. */
export type TransactionWork<T> = (executor: TransactionExecutor) => Promise<T>;

/** A write: the caller's work, its audit record, and a step of the feed where it changed what is desired. */
export function writing<T>(
  audit: AuditEntry,
  clock: Clock,
  work: (tx: StoreTransaction) => Promise<T>,
): TransactionWork<T> {
  return async (executor) => {
    const value = await work(transactionThrough(executor));
    await executor.run(appendAudit(executor.writer, clock.nowMs(), audit));
    if (executor.raisesFeed) await executor.run(raiseRevision({}));
    return value;
  };
}

/** A note: the caller's work, which changes nothing that is desired. */
export function noting<T>(work: (tx: StoreTransaction) => Promise<T>): TransactionWork<T> {
  return async (executor) => {
    const value = await work(transactionThrough(executor));
    assert(!executor.raisesFeed, "desired state is changed with an audit record");
    return value;
  };
}

/** What the work of a transaction gets: every table, to read and to write, through its executor. */
function transactionThrough(executor: TransactionExecutor): StoreTransaction {
  return {
    topology: new TopologyTables(executor),
    authorities: new AuthorityTable(executor),
    sealedKeys: new SealedKeyTable(executor),
    credentials: new CredentialTable(executor),
    signingRequests: new SigningRequestTable(executor),
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
