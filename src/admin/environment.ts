import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import type { Clock, Rng } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import {
  defaultPolicy,
  type ControlEnvironment,
  type Policy,
  type TrustKey,
} from "../control/index.ts";
import { nodeCryptoPort } from "../keys/index.ts";
import { openSqliteStore } from "../store/index.ts";
import { FileAuthorityKeys } from "./authority-keys.ts";
import { passwordHasher } from "./passwords.ts";

const clock: Clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
const rng: Rng = { bytes: (length) => new Uint8Array(randomBytes(length)) };

/** What the use cases work with on a home folder, and how to let go of it. */
export interface HomeEnvironment extends ControlEnvironment {
  close(): Promise<void>;
}

/** Opens the store and the keys of a home folder, whose lock the caller holds. */
export async function openEnvironment(
  layout: HomeLayout,
  nodeManagerId: string,
  trustKey: TrustKey,
): Promise<HomeEnvironment> {
  const store = await openSqliteStore({ folder: layout.store, writer: nodeManagerId, clock });
  const authorityKeys = new FileAuthorityKeys(layout);
  return {
    store,
    clock,
    rng,
    authorityKeys,
    trustKey,
    crypto: nodeCryptoPort,
    passwords: passwordHasher,
    policy: policyFromEnvironment(),
    async close() {
      await store.close();
      await authorityKeys.close();
    },
  };
}

/** The policy, with numbers replaced by `GATEHOUSE_POLICY` (JSON): how tests make weeks pass. */
function policyFromEnvironment(): Policy {
  const text = process.env["GATEHOUSE_POLICY"];
  return text === undefined
    ? defaultPolicy
    : { ...defaultPolicy, ...(JSON.parse(text) as Partial<Policy>) };
}
