import { Option, type Command } from "commander";
import type { AuthorityId } from "../../kit/index.ts";
import { parseDuration, parseWhole } from "../duration.ts";
import type { Page } from "./lists.ts";
import type { ContextOf } from "./program.ts";
import { addBackedUp, addHostWaiver } from "./recovery-commands.ts";
import type { TokenWish } from "./token.ts";
import type { UnlockWish } from "./unlock.ts";

/** What the domain consists of: sessions, hosts, groups, instances, and lists of all kinds. */
export function addDomainCommands(program: Command, contextOf: ContextOf): void {
  addSessionCommands(program, contextOf);
  addInstanceCommands(program, contextOf);
  addHostCommands(program, contextOf);
  addPartyCommands(program, contextOf);
  addAuthorityCommands(program, contextOf);
  addLists(program, contextOf);
}

function addSessionCommands(program: Command, contextOf: ContextOf): void {
  const changes = () => import("./changes.ts");
  program
    .command("login")
    .description(
      "log in and keep the session for the next commands, in run/session of the home folder",
    )
    .action(async (_options, command: Command) => (await changes()).logIn(contextOf(command)));
  program
    .command("logout")
    .description("end the kept session")
    .action(async (_options, command: Command) => (await changes()).logOut(contextOf(command)));
  const token = program.command("token").description("join tokens");
  token
    .command("create")
    .description("print a token that admits one host once")
    .option("--host <name>", "only the host of this name")
    .option("--admin", "it may join as an Admin Node Manager")
    .option("--lifetime <duration>", "how long it is valid, as 30m or 1h", "1h")
    .action(
      async (options: { host?: string; admin?: boolean; lifetime: string }, command: Command) =>
        (await changes()).createToken(contextOf(command), {
          host: options.host,
          isAdmin: options.admin === true,
          lifetime: options.lifetime,
        }),
    );
}

function addInstanceCommands(program: Command, contextOf: ContextOf): void {
  const instance = program.command("instance").description("gateway instances");
  for (const [verb, enabled] of [
    ["start", true],
    ["stop", false],
  ] as const) {
    instance
      .command(verb)
      .description(`${verb} an instance, and wait until it is so`)
      .argument("<instance>", "its name or id")
      .option("--group <name>", "the group, where several have an instance of that name")
      .option("--timeout <duration>", "how long to wait", "1m")
      .action(
        async (name: string, options: { group?: string; timeout: string }, command: Command) => {
          const wish = {
            instance: name,
            group: options.group,
            timeoutSeconds: parseDuration(options.timeout),
          };
          return (await import("./instance.ts")).setEnabled(contextOf(command), wish, enabled);
        },
      );
  }
  instance
    .command("status")
    .description("show an instance; exit status 31 where it does not run")
    .argument("<instance>", "its name or id")
    .option("--group <name>", "the group, where several have an instance of that name")
    .action(async (name: string, options: { group?: string }, command: Command) =>
      (await import("./instance.ts")).showInstance(contextOf(command), {
        instance: name,
        group: options.group,
      }),
    );
  const group = program.command("group").description("groups of instances");
  group
    .command("configure")
    .description("replace what every instance of a group serves")
    .argument("<group>", "its name or id")
    .requiredOption("-f, --file <file>", 'JSON: {"routes": [...], "dnsNames": [...]}')
    .action(async (name: string, options: { file: string }, command: Command) =>
      (await import("./changes.ts")).configureGroup(contextOf(command), name, options.file),
    );
}

function addHostCommands(program: Command, contextOf: ContextOf): void {
  const host = program.command("host").description("hosts");
  host
    .command("list")
    .description("hosts and whether they are connected")
    .action(async (_options, command: Command) =>
      (await import("./lists.ts")).listHosts(contextOf(command)),
    );
  host
    .command("approve")
    .description("let a quarantined host take part again")
    .argument("<host>", "its name or id")
    .action(async (name: string, _options, command: Command) =>
      (await import("./changes.ts")).approveHost(contextOf(command), name),
    );
  host
    .command("edit")
    .description("change how a host takes part")
    .argument("<host>", "its name or id")
    .addOption(
      new Option(
        "--dial <end>",
        "who opens the connections: nm, the host's Node Manager; anm, the Admin Node Managers, for a host that cannot reach them and whose port they reach",
      )
        .choices(["nm", "anm"])
        .makeOptionMandatory(),
    )
    .action(async (name: string, { dial }: { dial: "nm" | "anm" }, command: Command) =>
      (await import("./changes.ts")).editHost(contextOf(command), name, dial),
    );
  host
    .command("delete")
    .description("remove a host that has no instances; its keys are denied")
    .argument("<host>", "its name or id")
    .action(async (name: string, _options, command: Command) =>
      (await import("../managedomain/topology.ts")).deleteHost(contextOf(command), name),
    );
  addHostWaiver(host, contextOf);
}

function addPartyCommands(program: Command, contextOf: ContextOf): void {
  const party = program
    .command("relying-party")
    .description("callers outside the domain that report the trust they have loaded");
  party
    .command("list")
    .description("relying parties and the trust epoch they have loaded")
    .action(async (_options, command: Command) =>
      (await import("./lists.ts")).listRelyingParties(contextOf(command)),
    );
  party
    .command("create")
    .description("register one and print its token")
    .argument("<name>")
    .action(async (name: string, _options, command: Command) =>
      (await import("./changes.ts")).createRelyingParty(contextOf(command), name),
    );
  party
    .command("delete")
    .description("remove one; gates no longer count it")
    .argument("<party>", "its name or id")
    .action(async (name: string, _options, command: Command) =>
      (await import("./changes.ts")).deleteRelyingParty(contextOf(command), name),
    );
}

function addAuthorityCommands(program: Command, contextOf: ContextOf): void {
  const authority = program
    .command("authority")
    .description("CAs; `gatehouse plan rotate-ca` replaces one");
  for (const [verb, help] of [
    ["restore", "trust a CA again that was retired less than 7 days ago; it signs nothing"],
    ["retire", "stop trusting a CA that was restored"],
  ] as const)
    authority
      .command(verb)
      .description(help)
      .argument("<authority>", "its id, as management-1")
      .action(async (id: AuthorityId, _options, command: Command) =>
        (await import("./changes.ts")).changeAuthority(contextOf(command), verb, id),
      );
  addUnlock(authority, contextOf);
  addTokenCommands(authority, contextOf);
  addBackedUp(authority, contextOf);
  for (const [verb, help] of [
    ["share", "give the keys of the CAs to another Admin Node Manager, sealed for it"],
    ["unshare", "take them from one again; never from the last that has them"],
  ] as const)
    authority
      .command(verb)
      .description(help)
      .argument("<host>", "its name or id")
      .action(async (name: string, _options, command: Command) =>
        (await import("./changes.ts")).shareKeys(contextOf(command), verb, name),
      );
  authority
    .command("move")
    .description(
      "give them to another and take them from the one before, once the other has signed",
    )
    .argument("<host>", "name or id of the host that is to hold them")
    .option("--from <host>", "from whom; needed where several hold keys")
    .action(async (name: string, options: { from?: string }, command: Command) =>
      (await import("./changes.ts")).moveKeys(contextOf(command), name, options.from),
    );
}

function addTokenCommands(authority: Command, contextOf: ContextOf): void {
  authority
    .command("token")
    .description(
      "name the PKCS#11 token that the Admin Node Manager of this home uses: CAs that it makes have their keys there, and those that it holds are found there",
    )
    .requiredOption("--module <file>", "PKCS#11 library of the token")
    .requiredOption("--label <label>", "which token it is")
    .option("--pin-file <file>", "file whose first line is its PIN")
    .option("--pin-exec <program...>", "program and arguments that print it")
    .action(async (options: TokenWish, command: Command) =>
      (await import("./token.ts")).nameToken(contextOf(command), options),
    );
  authority
    .command("destroy-key")
    .description("destroy the key of a retired CA in its token, for good")
    .argument("<authority>", "its id, as management-1")
    .action(async (id: AuthorityId, _options, command: Command) =>
      (await import("./token.ts")).destroyKey(contextOf(command), id),
    );
}

function addUnlock(authority: Command, contextOf: ContextOf): void {
  authority
    .command("unlock")
    .description(
      "let the Admin Node Manager of this host sign with its encrypted keys, or those in its token",
    )
    .option("--passphrase-file <file>", "file whose first line is the passphrase, or the PIN")
    .option("--passphrase-exec <program...>", "program and arguments that print the passphrase")
    .action(async (options: UnlockWish, command: Command) =>
      (await import("./unlock.ts")).unlockKeys(contextOf(command), options),
    );
  authority
    .command("import")
    .description(
      "give the Admin Node Manager of this host the key of your own CA, or one of the domain's that was lost, from domain.p12: it signs and renews from now on",
    )
    .argument("<file>", "PKCS#12 file with the key and certificate of the CA")
    .option("--passphrase-file <file>", "file whose first line is its passphrase")
    .option("--passphrase-exec <program...>", "program and arguments that print it")
    .action(async (file: string, options: UnlockWish, command: Command) =>
      (await import("./unlock.ts")).importKey(contextOf(command), file, options),
    );
}

function addLists(program: Command, contextOf: ContextOf): void {
  const lists = () => import("./lists.ts");
  const plain = {
    status: { help: "the domain at a glance", run: "showStatus" },
    credentials: {
      help: "every credential, and whether it was seen on the wire",
      run: "listCredentials",
    },
    authorities: {
      help: "every CA the domain ever had, with fingerprints",
      run: "listAuthorities",
    },
    horizon: {
      help: "how long everything lasts if nothing is issued from now on",
      run: "showHorizon",
    },
    findings: { help: "what is not as it should be", run: "listFindings" },
    errors: { help: "error codes and exit statuses", run: "listErrors" },
  } as const;
  for (const [name, { help, run }] of Object.entries(plain))
    program
      .command(name)
      .description(help)
      .action(async (_options, command: Command) => (await lists())[run](contextOf(command)));
  const paged = (parent: Command, name: string, help: string): Command =>
    parent
      .command(name)
      .description(help)
      .option(
        "--after <cursor>",
        "only what follows: the last POSITION read of each log, with commas",
        "",
      )
      .option("--limit <number>", "at most so many, up to 1000", "100");
  paged(program, "issuances", "every certificate that was issued, oldest first").action(
    async (options: PageOptions, command: Command) =>
      (await lists()).listIssuances(contextOf(command), pageOf(options)),
  );
  const audit = program.command("audit").description("the audit log");
  audit
    .command("verify")
    .description("recompute every link; exit status 50 where one is broken")
    .action(async (_options, command: Command) => (await lists()).verifyAudit(contextOf(command)));
  paged(audit, "list", "audit records, oldest first").action(
    async (options: PageOptions, command: Command) =>
      (await lists()).listAudit(contextOf(command), pageOf(options)),
  );
}

interface PageOptions {
  readonly after: string;
  readonly limit: string;
}

function pageOf({ after, limit }: PageOptions): Page {
  return { after, limit: parseWhole(limit, "--limit", 1000) };
}
