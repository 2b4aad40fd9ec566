import { contradictions, type Operation } from "./linearizable.ts";

const absent = "absent";

/** How one operation on a thing ended. */
export type Outcome = Operation["outcome"];

/** What the clients of a domain did, and what they were told. */
export class Record {
  readonly #registers = new Map<string, Operation[]>();
  /** Names of things that are created once and deleted at most once, with both operations. */
  readonly #things = new Map<string, Operation[]>();
  /** Which things each look saw. */
  readonly #looks: { readonly names: ReadonlySet<string>; readonly operation: Operation }[] = [];
  /** How many were acknowledged, and how many tried, by what the audit log calls them. */
  readonly counts = new Map<string, { acknowledged: number; tried: number }>();
  /** Serials of certificates whose revocation was acknowledged. */
  readonly revoked: string[] = [];

  write(register: string, operation: Omit<Operation, "kind">): void {
    add(this.#registers, register, { ...operation, kind: "write" });
  }

  read(register: string, operation: Omit<Operation, "kind" | "outcome">): void {
    add(this.#registers, register, { ...operation, kind: "read", outcome: "done" });
  }

  /** `value`: `present` once it is created, `gone` once it is deleted. */
  change(thing: string, operation: Omit<Operation, "kind"> & { value: "present" | "gone" }): void {
    add(this.#things, thing, { ...operation, kind: "write" });
  }

  look(names: ReadonlySet<string>, operation: Omit<Operation, "kind" | "outcome" | "value">): void {
    this.#looks.push({
      names,
      operation: { ...operation, kind: "read", outcome: "done", value: absent },
    });
  }

  count(action: string, of: { acknowledged: number; tried: number }): void {
    const { acknowledged, tried } = this.counts.get(action) ?? { acknowledged: 0, tried: 0 };
    this.counts.set(action, {
      acknowledged: acknowledged + of.acknowledged,
      tried: tried + of.tried,
    });
  }

  /** For people: how much was judged. */
  get size(): { reads: number; writes: number; unknown: number } {
    const all = [...this.#registers.values(), ...this.#things.values()].flat();
    const writes = all.filter(({ kind }) => kind === "write");
    return {
      reads: this.#looks.length,
      writes: writes.length,
      unknown: writes.filter(({ outcome }) => outcome === "unknown").length,
    };
  }

  /** What contradicts that all of it happened to one copy of the data, each change once. */
  contradictions(): string[] {
    return [
      ...[...this.#registers].flatMap(([register, operations]) =>
        contradictions("initial", operations).map((text) => `${register}: ${text}`),
      ),
      ...[...this.#things].flatMap(([thing, changes]) =>
        contradictions(absent, [...changes, ...this.#looksAt(thing, changes)]).map(
          (text) => `${thing}: ${text}`,
        ),
      ),
    ];
  }

  /** Its absence is that of before unless somebody can tell that it was there before. */
  #looksAt(thing: string, changes: readonly Operation[]): Operation[] {
    const created = changes.find(({ value, outcome }) => value === "present" && outcome === "done");
    const seen = this.#looks.filter(({ names }) => names.has(thing));
    const thereMs = Math.min(
      created?.answeredMs ?? Infinity,
      ...seen.map(({ operation }) => operation.answeredMs),
    );
    return this.#looks.map(({ names, operation }) => {
      if (names.has(thing)) return { ...operation, value: "present" };
      return { ...operation, value: operation.invokedMs > thereMs ? "gone" : absent };
    });
  }
}

function add<Key>(map: Map<Key, Operation[]>, key: Key, operation: Operation): void {
  const all = map.get(key);
  if (all === undefined) map.set(key, [operation]);
  else all.push(operation);
}
