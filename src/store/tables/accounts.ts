import type {
  AccountReader,
  AccountWriter,
  IdempotentAnswer,
  JoinToken,
  Session,
  User,
} from "../../control/index.ts";
import { first, type Executor, type TransactionExecutor } from "../executor.ts";
import { statement, type Query } from "../statement.ts";
import { documentStatements, parseRow } from "./document.ts";

const users = documentStatements("users");
const sessions = expiringStatements("sessions");
const joinTokens = expiringStatements("join_tokens");
const answers = expiringStatements("answers");

const joinTokenById = statement((db, p: { id: string }) =>
  db.selectFrom("join_tokens").select("document").where("id", "=", p.id),
);
const removeSession = statement((db, p: { id: string }) =>
  db.deleteFrom("sessions").where("id", "=", p.id),
);

/** Inserts a session. */
export function putSession(session: Session): Query {
  const { tokenHash, expiresAtMs } = session;
  return sessions.put({ id: tokenHash, expiresAtMs, document: JSON.stringify(session) });
}

interface ExpiringStatements {
  readonly valid: (values: { id: string; nowMs: number }) => Query<{ document: string }>;
  readonly put: (values: { id: string; expiresAtMs: number | null; document: string }) => Query;
  readonly sweep: (values: { nowMs: number }) => Query;
}

function expiringStatements(table: "sessions" | "join_tokens" | "answers"): ExpiringStatements {
  const name = table as "sessions";
  return {
    valid: statement((db, p: { id: string; nowMs: number }) =>
      db
        .selectFrom(name)
        .select("document")
        .where("id", "=", p.id)
        .where((eb) => eb.or([eb("expires_at_ms", "is", null), eb("expires_at_ms", ">", p.nowMs)])),
    ),
    put: statement((db, p: { id: string; expiresAtMs: number | null; document: string }) =>
      db
        .insertInto(name)
        .values({ id: p.id, expires_at_ms: p.expiresAtMs, document: p.document })
        .onConflict((oc) =>
          oc.column("id").doUpdateSet({ expires_at_ms: p.expiresAtMs, document: p.document }),
        ),
    ),
    sweep: statement((db, p: { nowMs: number }) =>
      db.deleteFrom(name).where("expires_at_ms", "<=", p.nowMs),
    ),
  };
}

export class AccountView implements AccountReader {
  readonly #executor: Executor;

  constructor(executor: Executor) {
    this.#executor = executor;
  }

  async user(name: string): Promise<User | undefined> {
    return parseRow(first(await this.#executor.rows(users.get({ id: name }))));
  }

  async session(tokenHash: string, nowMs: number): Promise<Session | undefined> {
    return parseRow(first(await this.#executor.rows(sessions.valid({ id: tokenHash, nowMs }))));
  }

  async joinToken(id: string): Promise<JoinToken | undefined> {
    return parseRow(first(await this.#executor.rows(joinTokenById({ id }))));
  }

  async answer(key: string, nowMs: number): Promise<IdempotentAnswer | undefined> {
    return parseRow(first(await this.#executor.rows(answers.valid({ id: key, nowMs }))));
  }
}

export class AccountTables extends AccountView implements AccountWriter {
  readonly #executor: TransactionExecutor;

  constructor(executor: TransactionExecutor) {
    super(executor);
    this.#executor = executor;
  }

  putUser(user: User): Promise<void> {
    return this.#executor.run(users.put({ id: user.name, document: JSON.stringify(user) }));
  }

  putSession(session: Session): Promise<void> {
    return this.#executor.run(putSession(session));
  }

  removeSession(tokenHash: string): Promise<void> {
    return this.#executor.run(removeSession({ id: tokenHash }));
  }

  putJoinToken(token: JoinToken): Promise<void> {
    const { id, expiresAtMs } = token;
    return this.#executor.run(joinTokens.put({ id, expiresAtMs, document: JSON.stringify(token) }));
  }

  putAnswer(answer: IdempotentAnswer): Promise<void> {
    const { key, expiresAtMs } = answer;
    return this.#executor.run(
      answers.put({ id: key, expiresAtMs, document: JSON.stringify(answer) }),
    );
  }

  async sweep(nowMs: number): Promise<void> {
    for (const { sweep } of [sessions, joinTokens, answers])
      await this.#executor.run(sweep({ nowMs }));
  }
}
