import { Option, type Command } from "commander";
import type { CredentialId, PlanId } from "../../kit/index.ts";
import { observeSecondsDefault } from "../duration.ts";
import type { SigningOptions } from "./change-signing.ts";
import type { PlanWish } from "./plan.ts";
import type { ContextOf } from "./program.ts";
import type { RotationWish, WaiverWish } from "./rollout.ts";

/** Plans, rollouts and revocation. */
export function addChangeCommands(program: Command, contextOf: ContextOf): void {
  addPlanCommands(program, contextOf);
  addRolloutCommands(program, contextOf);
  program
    .command("revoke")
    .description("deny every key of a process, or one certificate")
    .argument("[process]", "as instance-1 or nodemanager-2")
    .option("--serial <hex>", "serial of one certificate instead")
    .requiredOption("--reason <text>", "why; kept in the audit log")
    .action(
      async (
        process: string | undefined,
        options: { serial?: string; reason: string },
        command: Command,
      ) =>
        (await import("./changes.ts")).revoke(contextOf(command), {
          process,
          serial: options.serial,
          reason: options.reason,
        }),
    );
}

interface PlanOptions {
  readonly start?: boolean;
  readonly follow?: boolean;
  readonly waiveUnmanaged?: string;
}

const waiveHelp =
  "with --follow: why callers that cannot be observed may be passed over, where nobody can be asked";

function addPlanCommands(program: Command, contextOf: ContextOf): void {
  const plan = program.command("plan").description("compute a change without touching anything");
  const planCommand: PlanCommand = (name, help) =>
    plan
      .command(name)
      .description(help)
      .option("--start", "start it at once")
      .option("--follow", "with --start: follow it to its end")
      .option("--waive-unmanaged <reason>", waiveHelp);
  planCommand("replace-leaves", "a new certificate, with a new key, for credentials")
    .option("--credential <id...>", "only these; all where it is not given")
    .action(async (options: PlanOptions & { credential?: CredentialId[] }, command: Command) => {
      const body = { kind: "replace-leaves" as const, credentials: options.credential ?? null };
      return (await import("./plan.ts")).makePlan(contextOf(command), { body, ...wishOf(options) });
    });
  addRotateCa(planCommand, contextOf);
  addTakeOver(planCommand, contextOf);
  addChangeSigning(planCommand, contextOf);
  addRecoverCa(planCommand, contextOf);
  plan
    .command("show")
    .description("a plan that was computed before")
    .argument("<plan>", "its id")
    .action(async (id: PlanId, _options, command: Command) =>
      (await import("./plan.ts")).showPlan(contextOf(command), id),
    );
}

type PlanCommand = (name: string, help: string) => Command;

function addRotateCa(planCommand: PlanCommand, contextOf: ContextOf): void {
  planCommand("rotate-ca", "a new CA in place of the present one, under live traffic")
    .option("--usage <usage>", "management, traffic or all", "management")
    .option("--service <service>", "that of a service instead: its name or id")
    .addOption(
      new Option(
        "--strategy <strategy>",
        "with --service: overlap, members trust both CAs for a while; documented, the order of the vendor's runbook, with its outage",
      ).choices(["overlap", "documented"]),
    )
    .option(
      "--observe <seconds>",
      "how long the new CA is watched before the old one is retired",
      observeSecondsDefault,
    )
    .option("--subject <name>", "subject of the new management CA")
    .action(async (options: PlanOptions & RotationWish, command: Command) => {
      const { rotationBody } = await import("./rollout.ts");
      const { makePlan, serviceUsage } = await import("./plan.ts");
      const context = contextOf(command);
      const usages =
        options.service === undefined ? undefined : [await serviceUsage(context, options.service)];
      return makePlan(context, {
        body: {
          ...rotationBody(options),
          ...(usages === undefined ? {} : { usages }),
          ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
        },
        ...wishOf(options),
      });
    });
}

function addTakeOver(planCommand: PlanCommand, contextOf: ContextOf): void {
  planCommand(
    "take-over",
    "credentials of its own for a service whose servers run with those that they came with",
  )
    .argument("<service>", "its name or id")
    .action(async (service: string, options: PlanOptions, command: Command) => {
      const { makePlan, serviceUsage } = await import("./plan.ts");
      const context = contextOf(command);
      const body = {
        kind: "take-over" as const,
        service: await serviceUsage(context, service),
      };
      return makePlan(context, { body, ...wishOf(options) });
    });
}

function addRecoverCa(planCommand: PlanCommand, contextOf: ContextOf): void {
  planCommand(
    "recover-ca",
    "a new CA in place of one whose key is lost, under live traffic: trusted and proven first, without the old one's signature",
  )
    .option("--usage <usage>", "management, traffic or all", "management")
    .option(
      "--observe <seconds>",
      "how long the new CA is watched before the old one is retired",
      observeSecondsDefault,
    )
    .action(async (options: PlanOptions & { usage: string; observe: string }, command: Command) => {
      const { rotationBody } = await import("./rollout.ts");
      return (await import("./plan.ts")).makePlan(contextOf(command), {
        body: { ...rotationBody(options), isKeyLost: true },
        ...wishOf(options),
      });
    });
}

function addChangeSigning(planCommand: PlanCommand, contextOf: ContextOf): void {
  planCommand(
    "change-signing",
    "another way of signing the management certificates, under live traffic",
  )
    .argument("<way>", "generated, provided (your own CA) or external (a CA elsewhere)")
    .option(
      "--ca <file>",
      "the CA that is to sign: PKCS#12 with provided, certificates with external",
    )
    .option("--passphrase-file <file>", "file whose first line is the passphrase of a PKCS#12 file")
    .option("--passphrase-exec <command>", "command that prints it")
    .option("--observe <seconds>", "as with rotate-ca", observeSecondsDefault)
    .option("--subject <name>", "with generated: subject of the new CA")
    .action(async (way: string, options: PlanOptions & SigningOptions, command: Command) =>
      (await import("./change-signing.ts")).changeSigning(contextOf(command), {
        way,
        options,
        ...wishOf(options),
      }),
    );
}

function wishOf({ start, follow, waiveUnmanaged }: PlanOptions): Omit<PlanWish, "body"> {
  return { starts: start === true, follows: follow === true, waiverReason: waiveUnmanaged };
}

function addRolloutCommands(program: Command, contextOf: ContextOf): void {
  const rollout = program.command("rollout").description("plans that are being executed");
  const commands = () => import("./rollout.ts");
  const openOne = "its id; the open one where it is not given";
  rollout
    .command("list")
    .description("rollouts, newest first")
    .action(async (_options, command: Command) =>
      (await commands()).listRollouts(contextOf(command)),
    );
  rollout
    .command("show")
    .description("its steps, and what it waits for")
    .argument("[rollout]", openOne)
    .action(async (id: string | undefined, _options, command: Command) =>
      (await commands()).showRollout(contextOf(command), id),
    );
  rollout
    .command("watch")
    .description("follow it to its end")
    .argument("[rollout]", openOne)
    .option("--timeout <duration>", "give up watching after this long; the rollout goes on")
    .action(async (id: string | undefined, options: { timeout?: string }, command: Command) =>
      (await commands()).watchRollout(contextOf(command), id, options.timeout),
    );
  rollout
    .command("start")
    .description("start a plan")
    .argument("<plan>", "its id")
    .option("--follow", "follow it to its end")
    .action(async (planId: string, options: { follow?: boolean }, command: Command) =>
      (await commands()).startRollout(contextOf(command), planId, options.follow === true),
    );
  for (const [change, help] of [
    ["pause", "begin no further step"],
    ["resume", "go on where it was paused"],
    ["rollback", "present the certificates from before again, and deny what was introduced"],
  ] as const)
    rollout
      .command(change)
      .description(help)
      .argument("[rollout]", openOne)
      .action(async (id: string | undefined, _options, command: Command) =>
        (await commands()).changeRollout(contextOf(command), change, id),
      );
  rollout
    .command("waive")
    .description("let one phase pass without the evidence of one party")
    .argument("[rollout]", openOne)
    .requiredOption(
      "--subject <id>",
      "a host, a relying party, unmanaged:USAGE or certificate:SERIAL",
    )
    .requiredOption("--phase <phase>", "as introduce, observe or retire")
    .requiredOption("--reason <text>", "why; kept in the audit log")
    .requiredOption("--for <duration>", "when it lapses, as 1h or 7d")
    .action(async (id: string | undefined, options: WaiverWish, command: Command) =>
      (await commands()).waive(contextOf(command), id, options),
    );
}
