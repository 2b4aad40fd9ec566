import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { DomainError } from "../../kit/index.ts";
import {
  checkValue,
  declaration,
  readYaml,
  type Declaration,
  type ServiceView,
} from "../../contract/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";
import { parseDuration } from "../duration.ts";
import { table } from "../render/table.ts";
import { readTextFile } from "../text-file.ts";

const pollMs = 250;

/** `gatehouse apply -f`. */
export async function apply(context: CommandContext, file: string): Promise<void> {
  const body = await readDeclaration(file);
  return asAdmin(context, async (admin) => {
    const { services } = await admin.call("applyServices", { body });
    printResult(context, services, (all) =>
      all.map(({ name, changes }) => `${name}: ${changes.join(", ") || "as it was"}`).join("\n"),
    );
    for (const { name, notes } of services)
      for (const note of notes) context.terminal.err(`${name}, ${note}`);
  });
}

/** A driver or a CA that is not a name or PEM text is a file beside the declaration. */
async function readDeclaration(file: string): Promise<Declaration> {
  const value = readYaml(await readTextFile(file, "the declaration"), file);
  const { services } = checkValue(declaration, value, file) as Declaration;
  const besides = (path: string): string => resolve(dirname(file), path);
  return {
    services: await Promise.all(
      services.map(async ({ driver, foundCa, ...rest }) => ({
        ...rest,
        driver:
          typeof driver === "string" && /[/.]/.test(driver)
            ? (readYaml(
                await readTextFile(besides(driver), `the driver of ${rest.name}`),
                driver,
              ) as Record<string, unknown>)
            : driver,
        ...(foundCa === undefined
          ? {}
          : { foundCa: await readTextFile(besides(foundCa), `foundCa of ${rest.name}`) }),
      })),
    ),
  };
}

/** `gatehouse service list`. */
export function listServices(context: CommandContext): Promise<void> {
  return asAdmin(context, async (admin) => {
    const { services } = await admin.call("listServices");
    printResult(context, services, (all) =>
      table(
        ["SERVICE", "ID", "SHAPE", "DRIVER", "MEMBERS"],
        all.map(({ name, id, shape, driver, members }) => [
          name,
          id,
          shape,
          driver,
          members.map((member) => `${member.name} on ${member.hostId}`).join(", "),
        ]),
      ),
    );
  });
}

/** `gatehouse service show`. */
export function showService(context: CommandContext, name: string): Promise<void> {
  return asAdmin(context, async (admin) =>
    printResult(
      context,
      await admin.call("getService", { params: { service: name } }),
      memberTable,
    ),
  );
}

function memberTable({ members }: ServiceView): string {
  return table(
    ["MEMBER", "ID", "HOST", "STATE", "ROLE", "CERTIFICATE", "TRUSTS", "PROBLEM"],
    members.map(({ id, name, hostId, state, observed }) => [
      name,
      id,
      hostId,
      state,
      observed?.status?.role ?? "-",
      observed?.installed?.sequence.toString() ?? "-",
      observed?.installed?.trusts.join(" ") ?? "-",
      observed?.problem ?? "",
    ]),
  );
}

export interface SwitchOverWish {
  readonly to?: string;
  readonly promote?: boolean;
  readonly timeout: string;
}

/** `gatehouse service switch-over`. Throws `timeout` where the member is not active in time. */
export function switchOver(
  context: CommandContext,
  service: string,
  { to, promote, timeout }: SwitchOverWish,
): Promise<void> {
  const endMs = performance.now() + parseDuration(timeout) * 1000;
  return asAdmin(context, async (admin) => {
    const { id, name } = await admin.call("switchOver", {
      params: { service },
      body: { member: to ?? null, by: promote === true ? "promotion" : "hand-over" },
    });
    for (;;) {
      const { members } = await admin.call("getService", { params: { service } });
      const seen = members.find((member) => member.id === id)?.observed;
      if (seen?.status?.role === "active") break;
      if (performance.now() > endMs)
        throw new DomainError(
          "timeout",
          `${name} is not active after ${timeout}: ${seen?.problem ?? "see `gatehouse service show`"}`,
        );
      await sleep(pollMs);
    }
    context.terminal.out(`${name} is the active member of ${service}.`);
  });
}

/** `gatehouse service delete`. */
export function deleteService(context: CommandContext, name: string): Promise<void> {
  return asAdmin(context, async (admin) => {
    await admin.call("deleteService", { params: { service: name } });
    context.terminal.out(`Service ${name} is removed.`);
  });
}
