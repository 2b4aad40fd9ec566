import { DomainError } from "../kit/index.ts";
import { maySign, trustSigningKeyName, type KeyCopy } from "../domain/index.ts";
import type { ControlEnvironment } from "./environment.ts";

/**
 * Records that copies of keys are kept elsewhere. `keys`: authority ids and `trustSigningKeyName`.
 * A whole backup also settles what a restore has taken over. Throws `not-found`.
 */
export async function recordKeyCopies(
  env: ControlEnvironment,
  of: {
    readonly keys: readonly string[];
    readonly where: string;
    readonly isBackup: boolean;
    readonly actor: string;
  },
): Promise<void> {
  const { keys, where, isBackup, actor } = of;
  const entry = {
    actor,
    action: isBackup ? "domain.backup" : "authority.backed-up",
    subject: "domain",
    detail: { keys: keys.join(" "), where },
  };
  const copy: KeyCopy = { atMs: env.clock.nowMs(), by: actor, where };
  await env.store.write(entry, async (tx) => {
    const { keyCopies = {}, restoration, ...domain } = await tx.topology.domain();
    const all = await tx.authorities.all();
    const known = new Set([trustSigningKeyName, ...all.map(({ id }) => id as string)]);
    const unknown = keys.find((key) => !known.has(key));
    if (unknown !== undefined)
      throw new DomainError(
        "not-found",
        `there is no authority ${unknown}: \`gatehouse authorities\` lists them, and the trust-signing key is called ${trustSigningKeyName}`,
      );
    // What signs no more needs no copy.
    const kept = all.filter(({ status }) => maySign(status, "probe")).map(({ id }) => id as string);
    const before = Object.entries(keyCopies).filter(
      ([key]) => key === trustSigningKeyName || kept.includes(key),
    );
    const isSettled = isBackup && typeof restoration?.completedAtMs === "number";
    await tx.topology.putDomain({
      ...domain,
      keyCopies: Object.fromEntries([...before, ...keys.map((key) => [key, copy] as const)]),
      ...(restoration === undefined || isSettled ? {} : { restoration }),
    });
  });
}
