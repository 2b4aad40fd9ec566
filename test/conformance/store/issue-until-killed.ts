import { randomBytes } from "node:crypto";
import type { Store } from "../../../src/control/index.ts";
import { issuance } from "./examples.ts";

/** Callers that issue at the same time, so that groups are larger than one. */
const callers = 16;

/** Issues until the process is killed; prints each serial as soon as it is acknowledged. */
export async function issueUntilKilled(store: Store): Promise<void> {
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (;;) {
        const serial = randomBytes(8).toString("hex");
        const entry = {
          actor: "host:host-1",
          action: "certificate.issue",
          subject: serial,
          detail: {},
        };
        await store.write(entry, (tx) => tx.issuances.append(issuance(serial)));
        process.stdout.write(`${serial}\n`);
      }
    }),
  );
}
