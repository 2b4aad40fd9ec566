import type { Compilable, Kysely } from "kysely";
import { assert } from "../kit/index.ts";
import type { Schema } from "./schema.ts";

type SqlValue = string | number | null | Uint8Array;

type Values = Readonly<Record<string, SqlValue>>;

/** Turns statements into one database's SQL; it never executes anything. */
export type Compiler = Kysely<Schema>;

/** A statement with its values: what an executor runs. */
export interface Query<Row = unknown> {
  readonly statement: Statement;
  readonly values: Values;
  /** Only for the types: what a row of the result is. */
  readonly row?: Row;
}

/** SQL text and the values of its placeholders, in their order. */
export interface Bound {
  readonly sql: string;
  readonly values: SqlValue[];
}

/**
 * One SQL statement, written with Kysely and compiled once per database: building and compiling
 * costs more than running it, and a fixed set of texts can be linted and prepared once.
 */
export class Statement {
  readonly #build: (db: Compiler) => Compilable<unknown>;
  readonly #compiled = new WeakMap<Compiler, { sql: string; slots: readonly unknown[] }>();

  constructor(build: (db: Compiler) => Compilable<unknown>) {
    this.#build = build;
  }

  /** The statement for one database with `values` in their places. */
  bind(compiler: Compiler, values: Values): Bound {
    const { sql, slots } = this.#compile(compiler);
    return {
      sql,
      values: slots.map((slot) =>
        slot instanceof Placeholder ? slot.pick(values) : (slot as SqlValue),
      ),
    };
  }

  sql(compiler: Compiler): string {
    return this.#compile(compiler).sql;
  }

  #compile(compiler: Compiler): { sql: string; slots: readonly unknown[] } {
    let compiled = this.#compiled.get(compiler);
    if (compiled === undefined) {
      const { sql, parameters } = this.#build(compiler).compile();
      compiled = { sql, slots: parameters };
      this.#compiled.set(compiler, compiled);
    }
    return compiled;
  }
}

class Placeholder {
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  pick(values: Values): SqlValue {
    const value = values[this.#name];
    assert(value !== undefined, `the SQL parameter ${this.#name} has a value`);
    return value;
  }
}

const defined: Statement[] = [];

/** Every statement defined so far, for the lint over their texts. */
export function definedStatements(): readonly Statement[] {
  return defined;
}

/**
 * Defines a statement. `build` gets a placeholder for each property of its second argument's type,
 * which it uses in place of values; the result makes the query for real ones.
 */
export function statement<V extends Values, Row>(
  build: (db: Compiler, parameters: V) => Compilable<Row>,
): (values: V) => Query<Row> {
  const placeholders = new Proxy({}, { get: (_, name) => new Placeholder(String(name)) }) as V;
  const made = new Statement((db) => build(db, placeholders));
  defined.push(made);
  return (values) => ({ statement: made, values });
}
