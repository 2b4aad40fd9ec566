import { expect, test } from "vitest";
import { createMigrationsTable, migrations } from "./migrations.ts";
import { postgresqlCompiler } from "./postgresql/compiler.ts";
import { sqliteCompiler } from "./sqlite/database.ts";
import { definedStatements } from "./statement.ts";
import { viewThrough } from "./transaction.ts";

/** The SQL that every database we mean to run on understands alike; a new word needs a look at each. */
const words = new Set(
  `select insert into values update set delete from where and or not in is null as order by asc desc limit
   group max count coalesce length case when then else end on conflict do returning excluded
   create table unique index if exists primary key`.split(/\s+/),
);
const columnTypes = new Set(["text", "bigint", "integer", "blob", "bytea"]);

const databases = [
  { name: "sqlite", compiler: sqliteCompiler, types: { bytes: "blob" } },
  { name: "postgresql", compiler: postgresqlCompiler, types: { bytes: "bytea" } },
];

/** Words of an SQL text that are neither quoted, nor placeholders, nor numbers. */
function bareWords(sql: string): string[] {
  return (
    sql
      .replaceAll(/"[^"]*"|'[^']*'|\$\d+/g, " ")
      .toLowerCase()
      .match(/[a-z_]\w*/g) ?? []
  );
}

test("there are statements to look at when every table is loaded", () => {
  expect(viewThrough).toBeTypeOf("function");
  expect(definedStatements().length).toBeGreaterThan(60);
});

test.each(databases)(
  "every statement stays in the subset when compiled for $name",
  ({ compiler }) => {
    const foreign = definedStatements().flatMap((statement) => {
      const sql = statement.sql(compiler);
      return bareWords(sql).flatMap((word) => (words.has(word) ? [] : [`${word} in ${sql}`]));
    });
    expect(foreign).toEqual([]);
  },
);

test.each(databases)("every migration stays in the subset when written for $name", ({ types }) => {
  const texts = [
    createMigrationsTable,
    ...migrations.flatMap(({ statements }) => statements(types)),
  ];
  const whole = texts.join("; ").toLowerCase();
  const names = new Set(
    [
      /(?:table(?: if not exists)?|index) (\w+)/g,
      /(\w+) (?:text|bigint|integer|blob|bytea)\b/g,
    ].flatMap((pattern) => [...whole.matchAll(pattern)].map((match) => match[1] ?? "")),
  );
  const known = (word: string): boolean =>
    words.has(word) || columnTypes.has(word) || names.has(word);
  expect(bareWords(whole).filter((word) => !known(word))).toEqual([]);
});

test("the lint finds what only one database has", () => {
  expect(
    bareWords("select nextval('s'), json_extract(\"a\", '$.b')").filter((word) => !words.has(word)),
  ).toEqual(["nextval", "json_extract"]);
});
