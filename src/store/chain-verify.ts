import { setImmediate } from "node:timers/promises";
import {
  anchorAction,
  anchorsOf,
  type AuditVerdict,
  type ChainHead,
  type ChainLink,
} from "../control/index.ts";
import {
  auditBetween,
  firstPrevious,
  heads,
  issuancesBetween,
  linkHash,
  linksAfter,
  readLink,
} from "./chain.ts";
import type { Executor } from "./executor.ts";
import { statement } from "./statement.ts";

const tails = statement((db) =>
  db
    .selectFrom("chain_links")
    .select((eb) => ["writer", eb.fn.max("number").as("number")])
    .groupBy("writer")
    .orderBy("writer"),
);
const auditCounts = statement((db) =>
  db
    .selectFrom("audit_records")
    .select((eb) => ["writer", eb.fn.countAll<number>().as("rows")])
    .groupBy("writer"),
);
const issuanceCounts = statement((db) =>
  db
    .selectFrom("issuances")
    .select((eb) => ["writer", eb.fn.countAll<number>().as("rows")])
    .groupBy("writer"),
);
/** Links read at once; between pages the event loop gets its turn. */
const linksPerPage = 16;

/** What one writer's chain should cover, taken from one snapshot before its links are walked. */
interface Expected {
  readonly head: ChainHead;
  readonly audit: number;
  readonly issuances: number;
}

type Broken = Extract<AuditVerdict, { ok: false }>;

/**
 * Recomputes every link from the rows that it covers. Finds rows that were changed, removed or
 * added, links that were changed or removed, chains shorter than their recorded head, and chains
 * that lack a link which another writer's log anchors. What it cannot find: someone who rewrites
 * all of them together; a head kept elsewhere does.
 */
export async function verifyChain(executor: Executor): Promise<AuditVerdict> {
  const [headRows, tailRows, auditRows, issuanceRows] = await executor.snapshot([
    heads({}),
    tails({}),
    auditCounts({}),
    issuanceCounts({}),
  ] as const);
  const total = { links: 0, records: 0, issuances: 0 };
  const anchors: ChainHead[] = [];
  const writers = new Set(
    [headRows, tailRows, auditRows, issuanceRows].flatMap((rows) => rows.map((row) => row.writer)),
  );
  for (const writer of [...writers].toSorted()) {
    const head = headRows.find((row) => row.writer === writer);
    if (head === undefined) return broken(writer, 1, "no head is recorded for this writer");
    const expected = {
      head,
      audit: auditRows.find((row) => row.writer === writer)?.rows ?? 0,
      issuances: issuanceRows.find((row) => row.writer === writer)?.rows ?? 0,
    };
    const tail = tailRows.find((row) => row.writer === writer)?.number ?? 0;
    if (tail > head.number)
      return broken(
        writer,
        head.number + 1,
        `the recorded head is link ${head.number}, but there are links after it`,
      );
    const failure = await walk(executor, expected, anchors);
    if (failure !== undefined) return failure;
    total.links += head.number;
    total.records += expected.audit;
    total.issuances += expected.issuances;
  }
  return (await findLostAnchor(executor, anchors)) ?? { ok: true, ...total };
}

async function findLostAnchor(
  executor: Executor,
  anchors: readonly ChainHead[],
): Promise<Broken | undefined> {
  for (const { writer, number, hash } of anchors) {
    const after = number - 1;
    const [link] = await executor.rows(linksAfter({ writer, after, to: number, limit: 1 }));
    if (link?.hash !== hash)
      return broken(writer, number, "it is not the link that a leader's log has anchored");
  }
  return undefined;
}

async function walk(
  executor: Executor,
  { head, audit, issuances }: Expected,
  anchors: ChainHead[],
): Promise<Broken | undefined> {
  let previous: ChainLink | undefined;
  const covered = { audit: 0, issuances: 0 };
  const { writer } = head;
  while ((previous?.number ?? 0) < head.number) {
    const after = previous?.number ?? 0;
    const links = (
      await executor.rows(linksAfter({ writer, after, to: head.number, limit: linksPerPage }))
    ).map(readLink);
    if (links.length === 0) return broken(writer, after + 1, "the link is missing");
    for (const link of links) {
      const problem = checkSuccession(link, previous);
      if (problem !== undefined) return broken(writer, (previous?.number ?? 0) + 1, problem);
      const auditRows = await executor.rows(
        auditBetween({ writer, from: link.auditFrom, to: link.auditTo }),
      );
      const issuanceRows = await executor.rows(
        issuancesBetween({ writer, from: link.issuanceFrom, to: link.issuanceTo }),
      );
      if (linkHash(link, auditRows, issuanceRows) !== link.hash) {
        return broken(
          writer,
          link.number,
          "its hash is not that of the rows it covers: one was changed, removed or added",
        );
      }
      for (const { action, detail } of auditRows)
        if (action === anchorAction) anchors.push(...anchorsOf(JSON.parse(detail)));
      covered.audit += auditRows.length;
      covered.issuances += issuanceRows.length;
      previous = link;
    }
    await setImmediate();
  }
  if (previous?.hash !== head.hash)
    return broken(writer, head.number, "its hash is not the recorded head");
  if (covered.audit !== audit)
    return broken(
      writer,
      head.number + 1,
      `${audit - covered.audit} audit records are covered by no link`,
    );
  if (covered.issuances !== issuances)
    return broken(
      writer,
      head.number + 1,
      `${issuances - covered.issuances} issuances are covered by no link`,
    );
  return undefined;
}

function checkSuccession(link: ChainLink, previous: ChainLink | undefined): string | undefined {
  if (link.number !== (previous?.number ?? 0) + 1) return "the link is missing";
  if (link.previous !== (previous?.hash ?? firstPrevious))
    return "it does not name the hash of the link before it";
  if (
    link.auditFrom !== (previous?.auditTo ?? 0) + 1 ||
    link.issuanceFrom !== (previous?.issuanceTo ?? 0) + 1
  ) {
    return "it does not begin where the link before it ended";
  }
  return undefined;
}

function broken(writer: string, link: number, text: string): Broken {
  return { ok: false, writer, link, text: `link ${link} of ${writer}: ${text}` };
}
