import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kit/index.ts";
import { asAdmin, type CommandContext } from "../command-context.ts";
import type { Admin } from "../admin-session.ts";
import { findGroup } from "../lookup.ts";
import type { Given } from "./command-line.ts";
import { askNew, givenPassphrase } from "./passphrase.ts";

const convertedMsMax = 30_000;
const pollMs = 250;

/**
 * `managedomain --change_passphrase`: of the keys of a group's instances; returns when every host
 * that is connected has encrypted them.
 */
export async function changeGroupPassphrase(context: CommandContext, given: Given): Promise<void> {
  const { terminal } = context;
  const named = given.required("group", "change_passphrase");
  // Documented: where there was none, the old one is empty.
  const old = (await givenPassphrase(given, "old_passphrase")) ?? "";
  const what = `the keys of group ${named}`;
  const next = (await givenPassphrase(given, "new_passphrase")) ?? (await askNew(terminal, what));
  return asAdmin(context, async (admin) => {
    const { id, name } = findGroup(await admin.call("getTopology"), named);
    await admin.call("changeGroupPassphrase", { params: { id }, body: { old, new: next } });
    const away = await awaitConversion(admin, id);
    terminal.out(
      next === ""
        ? `The keys of group ${name} [${id}] are not encrypted any more; nothing was restarted.`
        : `The keys of group ${name} [${id}] are encrypted with the new passphrase; nothing was restarted.`,
    );
    if (away.length > 0)
      terminal.err(`not yet on ${away.join(", ")}, which does it when it is connected`);
  });
}

/** Returns the names of the hosts that are away. Throws `timeout` where one that is there has not done it. */
async function awaitConversion(
  admin: Admin,
  id: ReturnType<typeof findGroup>["id"],
): Promise<string[]> {
  const endMs = performance.now() + convertedMsMax;
  for (;;) {
    const { hosts } = await admin.call("getGroupPassphrase", { params: { id } });
    const behind = hosts.filter(({ isCurrent }) => !isCurrent);
    const connected = new Set(
      (await admin.call("getTopology")).hosts
        .filter((host) => host.connected)
        .map((host) => host.id),
    );
    const names = behind.map(({ name }) => name);
    if (!behind.some((host) => connected.has(host.id))) return names;
    if (performance.now() > endMs)
      throw new DomainError(
        "timeout",
        `the passphrase is changed, and ${names.join(", ")} has not encrypted all keys by it in ${convertedMsMax / 1000} s: it goes on by itself, the log of its Node Manager says what keeps it`,
      );
    await sleep(pollMs);
  }
}
