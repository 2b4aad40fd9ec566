import { DomainError } from "../../kit/index.ts";
import { openLocalHome, readPendingJoin } from "../../node/local.ts";

/** Throws `awaiting-signature` where this home is in no domain yet because its certificate is signed elsewhere. */
export async function refuseWaiting(home: string): Promise<void> {
  const { awaitsFirstHost, awaitsRecovery } = await import("../../admin/offline.ts");
  const { layout } = await openLocalHome(home);
  const isWaiting = awaitsFirstHost(home) || (await awaitsRecovery(home));
  if (!isWaiting && (await readPendingJoin(layout)) === null) return;
  throw new DomainError(
    "awaiting-signature",
    `${home} waits for its certificate, whose request is below ${layout.temporaryKeys}: \`managedomain --submit_cert --cert FILE\` brings it, \`gatehouse signing cancel\` gives it up`,
  );
}
