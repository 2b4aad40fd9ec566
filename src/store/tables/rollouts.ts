import { DomainError, type PlanId, type RolloutId } from "../../kit/index.ts";
import { changesTrust, isOpen, type Plan, type Rollout } from "../../planning/index.ts";
import type { RolloutReader, RolloutWriter } from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import { statement } from "../statement.ts";
import { parseRow, parseRows } from "./document.ts";

const planById = statement((db, p: { id: string }) =>
  db.selectFrom("plans").select("document").where("id", "=", p.id),
);
const newestPlans = statement((db, p: { limit: number }) =>
  db.selectFrom("plans").select("document").orderBy("position", "desc").limit(p.limit),
);
const putPlan = statement((db, p: { id: string; document: string }) =>
  db
    .insertInto("plans")
    .values((eb) => ({
      id: p.id,
      document: p.document,
      position: eb
        .selectFrom("plans as earlier")
        .select((e) =>
          e(e.fn.coalesce(e.fn.max("earlier.position"), e.lit(0)), "+", e.lit(1)).as("next"),
        ),
    }))
    .onConflict((oc) => oc.column("id").doUpdateSet({ document: p.document })),
);
const newest = statement((db, p: { limit: number }) =>
  db.selectFrom("rollouts").select("document").orderBy("position", "desc").limit(p.limit),
);
const byId = statement((db, p: { id: string }) =>
  db.selectFrom("rollouts").select(["document", "version"]).where("id", "=", p.id),
);
const open = statement((db) =>
  db.selectFrom("rollouts").select("document").where("is_open", "=", 1).orderBy("position"),
);
const put = statement(
  (
    db,
    p: { id: string; document: string; version: number; open: number; changesTrust: number },
  ) => {
    const columns = {
      document: p.document,
      version: p.version,
      is_open: p.open,
      changes_trust: p.changesTrust,
    };
    return db
      .insertInto("rollouts")
      .values((eb) => ({
        id: p.id,
        position: eb
          .selectFrom("rollouts as earlier")
          .select((e) =>
            e(e.fn.coalesce(e.fn.max("earlier.position"), e.lit(0)), "+", e.lit(1)).as("next"),
          ),
        ...columns,
      }))
      .onConflict((oc) => oc.column("id").doUpdateSet(columns));
  },
);

export class RolloutView implements RolloutReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async plan(id: PlanId): Promise<Plan | undefined> {
    return parseRow(first(await this.#executor.rows(planById({ id }))));
  }

  async plans(limit: number): Promise<Plan[]> {
    return parseRows(await this.#executor.rows(newestPlans({ limit })));
  }

  async all(limit: number): Promise<Rollout[]> {
    return parseRows(await this.#executor.rows(newest({ limit })));
  }

  async get(id: RolloutId): Promise<Rollout | undefined> {
    return parseRow(first(await this.#executor.rows(byId({ id }))));
  }

  async open(): Promise<Rollout[]> {
    return parseRows(await this.#executor.rows(open({})));
  }
}

export class RolloutTables extends RolloutView implements RolloutWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  /** Outside the feed: a plan may start only while the revision that it was computed from is current. */
  putPlan(plan: Plan): Promise<void> {
    return this.#executor.run(putPlan({ id: plan.id, document: JSON.stringify(plan) }));
  }

  async put(rollout: Rollout): Promise<void> {
    const { id, version } = rollout;
    const stored = first(await this.#executor.rows(byId({ id })))?.version ?? 0;
    if (stored !== version - 1) {
      throw new DomainError(
        "conflict",
        `rollout ${id} was changed to version ${stored} meanwhile: read it again and retry`,
        {
          context: { rollout: id, stored, offered: version },
        },
      );
    }
    this.#executor.raiseFeed();
    await this.#executor.run(
      put({
        id,
        version,
        document: JSON.stringify(rollout),
        open: Number(isOpen(rollout)),
        changesTrust: Number(changesTrust(rollout)),
      }),
    );
  }
}
