import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { DomainError } from "../../kit/index.ts";
import { writeFileAtomic } from "../../keys/index.ts";
import type { CommandContext } from "../command-context.ts";
import type { Given } from "./command-line.ts";
import { unitName, unitText } from "./service-unit.ts";

type Context = Pick<CommandContext, "terminal" | "options">;

/** Where systemd looks for units of this machine (systemd.unit(5)). */
const unitFolder = "/etc/systemd/system";
/** There while systemd has started the machine (sd_booted(3)). */
const bootedMark = "/run/systemd/system";
const program = join(import.meta.dirname, "..", "gatehouse.js");

/** Throws `forbidden` where no service can be made: before anything else is done. */
export function requireRoot(): void {
  if (process.getuid?.() !== 0)
    throw new DomainError(
      "forbidden",
      "systemd services are made by root: run this with sudo, and say with --service_user for whom the service runs",
    );
}

/** `managedomain --add_service_only`, and what `--add_service` does at the end of other commands. */
export async function addService({ terminal, options }: Context, given: Given): Promise<void> {
  requireRoot();
  const { home } = options;
  const { openLocalHome } = await import("../../node/local.ts");
  const { joined } = await openLocalHome(home);
  if (joined === null)
    throw new DomainError(
      "home-missing",
      `${home} is not part of a domain: a service is made on a host of one, named with --home`,
    );
  const user = given.text("service_user") ?? String((await stat(home)).uid);
  await requireUser(user);
  const name = unitName(home);
  const text = unitText({ home, user, node: process.execPath, program });
  await writeFileAtomic(join(unitFolder, name), text, { mode: 0o644 });
  const isBooted = existsSync(bootedMark);
  if (isBooted) for (const args of [["daemon-reload"], ["enable", name]]) await systemctl(args);
  terminal.out(
    [
      `Service ${name} runs the Node Manager of ${home} as user ${user}, and that its instances, at boot too.`,
      isBooted
        ? `It is enabled: \`systemctl start ${name}\` starts it now.`
        : `systemd does not run here: enable it with \`systemctl enable ${name}\` where it does.`,
    ].join("\n"),
  );
}

/** `managedomain --remove_service`: what runs goes on. */
export async function removeService({ terminal, options }: Context): Promise<void> {
  requireRoot();
  const name = unitName(options.home);
  const path = join(unitFolder, name);
  if (!existsSync(path))
    throw new DomainError("not-found", `${options.home} has no service: there is no ${path}`);
  const isBooted = existsSync(bootedMark);
  if (isBooted) await systemctl(["disable", name]);
  await rm(path);
  if (isBooted) await systemctl(["daemon-reload"]);
  terminal.out(`Service ${name} is removed; what runs goes on until it is stopped.`);
}

async function requireUser(user: string): Promise<void> {
  const isUser = /^[a-z0-9_][a-z0-9_-]*\$?$/i.test(user);
  const found = isUser && (await promisify(execFile)("id", ["-u", user]).catch(() => null));
  if (!found)
    throw new DomainError(
      "not-found",
      `this machine has no user ${user}: make one, or name another with --service_user`,
    );
}

async function systemctl(args: readonly string[]): Promise<void> {
  await promisify(execFile)("systemctl", [...args]).catch((cause: unknown) => {
    throw new DomainError(
      "internal",
      `\`systemctl ${args.join(" ")}\` failed: run it by hand to see why`,
      { cause },
    );
  });
}
