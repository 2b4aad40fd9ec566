import { DomainError } from "../kit/index.ts";
import {
  holdersOf,
  isSignedElsewhere,
  type Authority,
  type AuthorityUsage,
  type Host,
} from "../domain/index.ts";
import type { AdminReports } from "./admin-reports.ts";
import type { AdminState } from "./admin-state.ts";

/** What each message about a lost key tells to do. */
export function lostKeyRemedy({ signing, token }: Pick<Authority, "signing" | "token">): string {
  const back =
    token !== undefined
      ? `name the token ${token.token}, with the key in it, by \`gatehouse authority token\``
      : signing === "generated"
        ? "put its file back from a backup (`gatehouse authority import domain.p12` takes that one)"
        : "give it again with `gatehouse authority import FILE`";
  return `${back}, or make a new CA without it: \`gatehouse plan recover-ca --start --follow\``;
}

/**
 * The current authorities whose keys nobody has any more: every Admin Node Manager that should hold
 * one answers, and says that it is missing. One that is silent may still have it.
 */
export function lostKeys(
  authorities: readonly Authority[],
  hosts: readonly Host[],
  reports: Pick<AdminReports, "areKnown" | "answers" | "hasKey">,
): Authority[] {
  if (!reports.areKnown) return [];
  return authorities.filter(
    (authority) =>
      authority.status === "current" &&
      !isSignedElsewhere(authority) &&
      holdersOf(authority, hosts).every(
        ({ id }) => reports.answers(id) && !reports.hasKey(id, authority.id),
      ),
  );
}

async function findLost(state: AdminState): Promise<Authority[]> {
  await state.reports.lookAtSelf(state);
  const { authorities, hosts } = await state.env.store.read(async (view) => ({
    authorities: await view.authorities.all(),
    hosts: await view.topology.hosts(),
  }));
  return lostKeys(authorities, hosts, state.reports);
}

/** Refuses what would wait forever for a certificate. Throws `authority-unavailable`. */
export async function refuseLostKeys(
  state: AdminState,
  usages: readonly AuthorityUsage[],
): Promise<void> {
  const lost = (await findLost(state)).find(({ usage }) => usages.includes(usage));
  if (lost === undefined) return;
  throw new DomainError(
    "authority-unavailable",
    `the key of ${lost.id} is lost: no Admin Node Manager has it any more, so that nothing new can be issued; ${lostKeyRemedy(lost)}`,
  );
}

/** A new CA that the old one certifies is better where that can be. Throws `conflict`. */
export async function refuseKeysAtHand(
  state: AdminState,
  usages: readonly AuthorityUsage[],
): Promise<void> {
  const lost = new Set((await findLost(state)).map(({ usage }) => usage));
  const atHand = usages.find((usage) => !lost.has(usage));
  if (atHand === undefined) return;
  throw new DomainError(
    "conflict",
    `the key of the ${atHand} CA is not known to be lost: \`gatehouse plan rotate-ca\` replaces the CA with its help, and \`gatehouse findings\` says what is wrong where it should be`,
  );
}
