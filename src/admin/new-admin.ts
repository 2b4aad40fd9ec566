import { readFile } from "node:fs/promises";
import { DomainError } from "../kit/index.ts";
import type { RouteResponse } from "../contract/index.ts";
import type { Host } from "../domain/index.ts";
import { seal } from "../keys/index.ts";
import type { AdminState } from "./admin-state.ts";
import { openDatabaseAccess, readDatabaseSettings } from "./database.ts";

type Admission = Extract<RouteResponse<"joinHost">, { admin: unknown }>;
type AdminSecrets = NonNullable<Admission["admin"]>;

/** Two Admin Node Managers share a store, which a folder of one of them cannot be. Throws `not-supported`. */
export function refuseEmbedded(state: AdminState): void {
  if (state.env.isStoreOurs())
    throw new DomainError(
      "not-supported",
      "several Admin Node Managers need the store in PostgreSQL: move it first, with `gatehouse store migrate --to URL` on the host of the Admin Node Manager",
    );
}

/**
 * What a new Admin Node Manager needs besides its certificate: where the store is, and the
 * trust-signing key. A key leaves its host here: it is sealed to the new host's own, and audited.
 */
export async function secretsFor(
  { env, layout }: AdminState,
  host: Host,
  of: { readonly sealingKey: string; readonly actor: string },
): Promise<AdminSecrets> {
  const { url } = await readDatabaseSettings(layout);
  const databaseIdentity = (await openDatabaseAccess(layout)).known();
  if (databaseIdentity === null)
    throw new DomainError("state-corrupt", `${layout.databaseIdentity} is missing`);
  const trustKey = await readFile(layout.trustKey, "utf8");
  const sealedTrustKey = await seal(trustKey, Buffer.from(of.sealingKey, "base64"));
  const entry = { actor: of.actor, action: "trust-key.share", subject: host.id, detail: {} };
  await env.store.write(entry, async () => {});
  return { databaseUrl: url, databaseIdentity, sealedTrustKey };
}
