import type { Store, StoreTransaction } from "../../src/control/index.ts";

type Wrap = (tx: StoreTransaction) => StoreTransaction;

function wrapped(store: Store, wrap: Wrap): Store {
  return {
    read: (work) => store.read(work),
    write: (audit, work) => store.write(audit, (tx) => work(wrap(tx))),
    note: (work) => store.note((tx) => work(wrap(tx))),
    revision: () => store.revision(),
    waitForRevision: (after, timeoutMs) => store.waitForRevision(after, timeoutMs),
    lastKnown: () => store.lastKnown(),
    close: () => store.close(),
  };
}

/** Replaces methods of a repository, keeping the others bound to it. */
function replaced<T extends object>(original: T, methods: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      if (name in methods) return methods[name as keyof T];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  });
}

/** What a process dies of. */
export class Crash extends Error {}

export interface CrashPoint {
  /** Counted from the next transaction, which is 1. */
  readonly transaction: number;
  /** Before it is committed, or after it and before the caller learns of it. */
  readonly when: "before" | "after";
}

/** A store whose user can be made to crash at a transaction. */
export function crashing(store: Store): { store: Store; crashAt(point: CrashPoint | null): void } {
  let armed: CrashPoint | null = null;
  let seen = 0;
  const crashIf = (when: CrashPoint["when"]): void => {
    if (armed?.transaction === seen && armed.when === when) throw new Crash();
  };
  const guarded = async <T>(work: (tx: StoreTransaction) => Promise<T>, tx: StoreTransaction) => {
    const value = await work(tx);
    crashIf("before");
    return value;
  };
  const counted = async <T>(transaction: () => Promise<T>): Promise<T> => {
    seen += 1;
    const value = await transaction();
    crashIf("after");
    return value;
  };
  return {
    store: {
      ...wrapped(store, (tx) => tx),
      write: (audit, work) => counted(() => store.write(audit, (tx) => guarded(work, tx))),
      note: (work) => counted(() => store.note((tx) => guarded(work, tx))),
    },
    crashAt(point) {
      armed = point;
      seen = 0;
    },
  };
}

/** Authorities are kept without their cross-certificate, as if the old CA could not sign one. */
export function withoutCrossCertificates(store: Store): Store {
  return wrapped(store, (tx) => ({
    ...tx,
    authorities: replaced(tx.authorities, {
      put: (authority) =>
        tx.authorities.put({ ...authority, crossCertificatePem: null, crossFingerprint: null }),
    }),
  }));
}

/** Plans are kept without their gates: every step begins at once. */
export function withoutGates(store: Store): Store {
  return wrapped(store, (tx) => ({
    ...tx,
    rollouts: replaced(tx.rollouts, {
      putPlan: (plan) =>
        tx.rollouts.putPlan({
          ...plan,
          steps: plan.steps.map((step) => ({ ...step, gate: [] })),
        }),
    }),
  }));
}
