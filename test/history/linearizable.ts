/** A call of a client; times of one monotonic clock. */
export interface Operation {
  readonly kind: "read" | "write";
  /** What was read, or was to be written: no value is written twice. */
  readonly value: string;
  readonly invokedMs: number;
  /** When the last answer came; Infinity: none did. */
  readonly answeredMs: number;
  /** `refused`: it has not taken place. `unknown`: it may have, or may yet. */
  readonly outcome: "done" | "refused" | "unknown";
  /** For people. */
  readonly by: string;
}

/** A write of a value with the reads that saw it. */
interface Cluster {
  readonly value: string;
  /** The first answer and the last call of its operations. */
  readonly firstAnswerMs: number;
  readonly lastCallMs: number;
}

/**
 * What contradicts that one copy of a register, which held `initial`, answered these operations one
 * after the other, each at a moment between call and answer. Since no value is written twice, the
 * order of the writes decides all, and it exists unless one of these is found (P. B. Gibbons,
 * E. Korach, Testing Shared Memories, SIAM J. Comput. 26 (1997), theorem on zones): a value that is
 * read before it is written, or that nobody wrote; two values that each were there before the other
 * was done with; a value that came and went while another was there.
 */
export function contradictions(initial: string, operations: readonly Operation[]): string[] {
  const writes = new Map<string, Operation>();
  const found: string[] = [];
  for (const write of operations.filter(({ kind }) => kind === "write")) {
    if (writes.has(write.value)) found.push(`${write.value} is written twice`);
    writes.set(write.value, write);
  }
  const reads = new Map<string, Operation[]>();
  for (const read of operations.filter(
    ({ kind, outcome }) => kind === "read" && outcome === "done",
  ))
    reads.set(read.value, [...(reads.get(read.value) ?? []), read]);
  for (const [value, seen] of reads)
    if (value !== initial) found.push(...misread(writes.get(value), seen));
  const clusters = [...new Set([initial, ...writes.keys()])].flatMap((value) =>
    clusterOf(value, value === initial ? "initial" : writes.get(value), reads.get(value) ?? []),
  );
  return [...found, ...clashes(clusters)];
}

function misread(write: Operation | undefined, reads: readonly Operation[]): string[] {
  return reads.flatMap((read) => {
    const what = `${read.by} read ${read.value} at ${at(read.answeredMs)}`;
    if (write === undefined) return [`${what}, which nobody wrote`];
    if (write.outcome === "refused") return [`${what}, whose writing by ${write.by} was refused`];
    if (read.answeredMs < write.invokedMs)
      return [`${what}, before ${write.by} wrote it at ${at(write.invokedMs)}`];
    return [];
  });
}

/** Nothing for a write that has not taken place, or that may not have and was not seen. */
function clusterOf(
  value: string,
  write: Operation | "initial" | undefined,
  reads: readonly Operation[],
): Cluster[] {
  const first = write === "initial" ? -Infinity : (write?.invokedMs ?? 0);
  const isCertain = write === "initial" || write?.outcome === "done";
  if (!isCertain && reads.length === 0) return [];
  const writeAnswerMs = write === "initial" ? -Infinity : (write?.answeredMs ?? Infinity);
  const answers = reads.map(({ answeredMs }) => answeredMs);
  const calls = reads.map(({ invokedMs }) => invokedMs);
  return [
    {
      value,
      firstAnswerMs: Math.min(...(isCertain ? [writeAnswerMs] : []), ...answers),
      lastCallMs: Math.max(first, ...calls),
    },
  ];
}

/** Values that cannot have been there one after the other. */
function clashes(clusters: readonly Cluster[]): string[] {
  // There for certain from the first answer to the last call, or at some moment between call and answer.
  const lasting = clusters
    .filter(({ firstAnswerMs, lastCallMs }) => firstAnswerMs < lastCallMs)
    .toSorted((a, b) => a.firstAnswerMs - b.firstAnswerMs);
  const momentary = clusters.filter(({ firstAnswerMs, lastCallMs }) => firstAnswerMs >= lastCallMs);
  const found: string[] = [];
  for (const [i, one] of lasting.entries()) {
    for (const other of lasting.slice(i + 1)) {
      if (other.firstAnswerMs >= one.lastCallMs) break;
      found.push(
        `${one.value} was there from ${at(one.firstAnswerMs)} to ${at(one.lastCallMs)}, and ${other.value} from ${at(other.firstAnswerMs)} to ${at(other.lastCallMs)}`,
      );
    }
    for (const inner of momentary)
      if (one.firstAnswerMs < inner.lastCallMs && inner.firstAnswerMs < one.lastCallMs)
        found.push(
          `${inner.value} was written between ${at(inner.lastCallMs)} and ${at(inner.firstAnswerMs)}, while ${one.value} was there from ${at(one.firstAnswerMs)} to ${at(one.lastCallMs)}`,
        );
  }
  return found;
}

function at(ms: number): string {
  return `${Math.round(ms)} ms`;
}
