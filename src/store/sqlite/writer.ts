import type Database from "better-sqlite3";
import { DomainError } from "../../kit/index.ts";
import { seal } from "../chain.ts";
import type { Bound, Query } from "../statement.ts";
import { Connection, sqliteCompiler } from "./database.ts";
import { storeError, toWire, type WireError } from "./errors.ts";
import type { Command, Reply } from "./protocol.ts";

/**
 * Executes commands on the one writing connection. A group is one SQLite transaction, a logical
 * transaction a savepoint in it; the group's link of the audit chain is added before its commit.
 */
export class Writer {
  readonly #db: Database.Database;
  readonly #connection: Connection;
  readonly #name: string;
  readonly #reply: (reply: Reply) => void;
  #transaction = 0;
  /** Why the running logical transaction can only be rolled back. */
  #failure: WireError | undefined;
  /** Why the group can only be rolled back. */
  #groupFailure: WireError | undefined;
  #failed: { transaction: number; error: WireError }[] = [];

  constructor(db: Database.Database, name: string, reply: (reply: Reply) => void) {
    this.#db = db;
    this.#connection = new Connection(db);
    this.#name = name;
    this.#reply = reply;
  }

  execute(command: Command): void {
    switch (command.do) {
      case "begin":
        this.#begin(command.transaction);
        break;
      case "run":
        this.#attempt(() => this.#run(command.bound, command.mustChange));
        break;
      case "rows":
        this.#rows(command.request, command.queries);
        break;
      case "end":
        this.#end(this.#failure !== undefined);
        break;
      case "abort":
        this.#end(true);
        break;
      case "commit":
        this.#commit(command.group);
        break;
      case "close":
        this.#db.close();
    }
  }

  #begin(transaction: number): void {
    this.#transaction = transaction;
    this.#failure = this.#groupFailure;
    this.#attempt(() => {
      if (!this.#db.inTransaction) this.#connection.run({ sql: "begin immediate", values: [] });
      this.#connection.run({ sql: "savepoint logical", values: [] });
    });
  }

  #run(bound: Bound, mustChange: string | null): void {
    if (this.#connection.run(bound) === 0 && mustChange !== null)
      throw new DomainError("not-found", mustChange);
  }

  #rows(request: number, queries: readonly Bound[]): void {
    const results = this.#attempt(() => queries.map((query) => this.#connection.rows(query)));
    if (results !== undefined) this.#reply({ is: "rows", request, results });
    else if (this.#failure !== undefined)
      this.#reply({ is: "failed", request, error: this.#failure });
  }

  #end(rollBack: boolean): void {
    if (this.#failure !== undefined)
      this.#failed.push({ transaction: this.#transaction, error: this.#failure });
    if (this.#groupFailure !== undefined) return;
    this.#failure = undefined;
    this.#attempt(() => {
      if (rollBack) this.#connection.run({ sql: "rollback to logical", values: [] });
      this.#connection.run({ sql: "release logical", values: [] });
    });
    this.#groupFailure ??= this.#failure;
  }

  #commit(group: number): void {
    try {
      if (this.#groupFailure === undefined && this.#db.inTransaction) {
        seal(
          this.#name,
          <Row>({ statement, values }: Query<Row>) =>
            this.#connection.rows(statement.bind(sqliteCompiler, values)) as Row[],
        );
        this.#connection.run({ sql: "commit", values: [] });
      }
    } catch (error) {
      this.#groupFailure = this.#wire(error);
    }
    if (this.#db.inTransaction) this.#db.exec("rollback");
    this.#reply({
      is: "committed",
      group,
      error: this.#groupFailure ?? null,
      failed: this.#failed,
    });
    this.#groupFailure = undefined;
    this.#failed = [];
  }

  /** Does `work` unless the transaction has failed already; its error fails the transaction. */
  #attempt<T>(work: () => T): T | undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      return work();
    } catch (error) {
      this.#failure = this.#wire(error);
      // SQLite ends the whole transaction by itself after some errors, a full disk among them.
      if (!this.#db.inTransaction) this.#groupFailure = this.#failure;
      return undefined;
    }
  }

  #wire(error: unknown): WireError {
    return toWire(storeError(error, this.#db.name));
  }
}
