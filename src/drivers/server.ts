import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "./code.ts";
import type { Description } from "./description.ts";
import type { MemberAt } from "./driver-code.ts";
import type { MemberServer } from "./install.ts";
import { runToSuccess } from "./run-command.ts";
import { isShown, untilShown } from "./served.ts";
import { shownBy } from "./shown-by.ts";
import { sendCommands } from "./socket-commands.ts";
import { tell } from "./tell.ts";

const servedWithinSecondsDefault = 30;

/** A running server as its description, or the code of its driver, says. */
export function serverOf(member: MemberAt): MemberServer {
  const { description } = member;
  const { name, check, servedWithinSeconds = servedWithinSecondsDefault } = description;
  return {
    name,
    check: async () => {
      if (check !== undefined) await runToSuccess(check, `the check of ${name}`);
    },
    takeEffect: (isTrustChanged) => takeEffect(member, isTrustChanged),
    serves: async (leaf) => isShown(await shownBy(member), leaf),
    untilServes: (leaf) => untilShown(() => shownBy(member), leaf, servedWithinSeconds * 1000),
  };
}

async function takeEffect(member: MemberAt, isTrustChanged: boolean): Promise<void> {
  const { name, reload, restart, trust } = member.description;
  const code = codeOf(member.description);
  const canReload = reload !== undefined || code.reload !== undefined;
  const isRestart = !canReload || (isTrustChanged && trust.takesEffect === "restart");
  if (isRestart && restart !== undefined && "signal" in restart)
    await tell(restart, name, "restart");
  else if (isRestart && code.restart !== undefined) await code.restart(member);
  else if (isRestart && member.restart !== undefined) await member.restart();
  else if (isRestart && restart !== undefined) await tell(restart, name, "restart");
  else if (code.reload !== undefined) await code.reload(member);
  else await reloadServer(member.description);
}

async function reloadServer({ name, reload, folder }: Description): Promise<void> {
  if (reload === undefined || "automatic" in reload) return;
  if ("commands" in reload)
    await sendCommands(reload, (file) => readFile(join(folder, "current", file), "utf8"));
  else await tell(reload, name, "reload");
}
