import { DomainError } from "../../kit/index.ts";
import type { Lease, LeaseWriter } from "../../control/index.ts";
import { first, type TransactionExecutor } from "../executor.ts";
import { statement } from "../statement.ts";

const byName = statement((db, p: { name: string }) =>
  db.selectFrom("leases").selectAll().where("name", "=", p.name),
);
const put = statement(
  (db, p: { name: string; holder: string; fencingToken: number; renewals: number }) => {
    const columns = { holder: p.holder, fencing_token: p.fencingToken, renewals: p.renewals };
    return db
      .insertInto("leases")
      .values({ name: p.name, ...columns })
      .onConflict((oc) => oc.column("name").doUpdateSet(columns));
  },
);

export class LeaseTable implements LeaseWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    this.#executor = executor;
  }

  async get(name: string): Promise<Lease | undefined> {
    const row = first(await this.#executor.rows(byName({ name })));
    return (
      row && { name, holder: row.holder, fencingToken: row.fencing_token, renewals: row.renewals }
    );
  }

  /** Begins a new holding, also for the last holder: a process that came back is not the one before. */
  async claim(name: string, holder: string, seen: Lease | undefined): Promise<Lease> {
    const stored = await this.get(name);
    const asSeen =
      stored?.holder === seen?.holder &&
      stored?.fencingToken === seen?.fencingToken &&
      stored?.renewals === seen?.renewals;
    if (!asSeen) {
      throw new DomainError(
        "conflict",
        `the lease ${name} was claimed or renewed by ${stored?.holder ?? "nobody"} meanwhile: watch it for one lease more`,
        {
          context: { lease: name, holder: stored?.holder ?? null },
        },
      );
    }
    return this.#write({
      name,
      holder,
      fencingToken: (stored?.fencingToken ?? 0) + 1,
      renewals: (stored?.renewals ?? -1) + 1,
    });
  }

  async renew(lease: Lease): Promise<Lease> {
    const stored = await this.get(lease.name);
    if (stored?.holder !== lease.holder || stored.fencingToken !== lease.fencingToken)
      throw notLeader(lease.name, stored);
    return this.#write({ ...stored, renewals: stored.renewals + 1 });
  }

  async require(name: string, fencingToken: number): Promise<void> {
    const stored = await this.get(name);
    if (stored?.fencingToken !== fencingToken) throw notLeader(name, stored);
  }

  async #write(lease: Lease): Promise<Lease> {
    await this.#executor.run(put({ ...lease }));
    return lease;
  }
}

function notLeader(name: string, stored: Lease | undefined): DomainError {
  return new DomainError(
    "not-leader",
    `the lease ${name} is held by ${stored?.holder ?? "nobody"}: only its holder may do this`,
    {
      context: { lease: name, holder: stored?.holder ?? null },
    },
  );
}
