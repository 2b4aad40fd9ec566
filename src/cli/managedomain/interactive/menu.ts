import { DomainError } from "../../../kit/index.ts";
import type { CommandContext } from "../../command-context.ts";
import { isYes, type Prompts } from "../../terminal.ts";
import { productVersion } from "../../version.ts";
import type { RunLine } from "./interpreter.ts";
import { commandOf, parametersOf } from "./words.ts";
import { menuOptions, type MenuOption, type MenuQuestion } from "./menu-table.ts";

/** Whom the commands of the menu call, and as whom; option 4 changes it. */
interface Connection {
  anm_host?: string;
  anm_port?: string;
  username?: string;
  truststore_file?: string;
}

/** The documented menu: numbered options until `q`. Throws `usage` where nobody can be asked. */
export async function runMenu(context: CommandContext, runLine: RunLine): Promise<void> {
  const { terminal } = context;
  const { prompts } = terminal;
  if (prompts === null)
    throw new DomainError("usage", "--menu needs a terminal: `managedomain --help` lists commands");
  const connection: Connection = {};
  terminal.out(`managedomain (Gatehouse) ${productVersion()}`);
  for (;;) {
    terminal.out(menuText(connection));
    const answer = (await prompts.text("Select option")).trim();
    if (/^q(uit)?$/i.test(answer)) return;
    const option = menuOptions.find(({ number }) => String(number) === answer);
    if (option === undefined) {
      terminal.err(`there is no option ${answer}: give one of the numbers, or q`);
      continue;
    }
    if (option.number === 4) await askConnection(prompts, connection);
    else if (option.command === null) terminal.err(option.later ?? "");
    else {
      const args = await argumentsFor(prompts, option);
      const status = await runLine(() => [...args, ...connectionArguments(args, connection)]);
      if (status === 0) terminal.out("Completed successfully.");
    }
    await prompts.text("Hit enter to continue...");
  }
}

function menuText({ username, anm_host: host, truststore_file: file }: Connection): string {
  return [
    "",
    ...menuOptions.map(({ number, title }) => `${String(number).padStart(4)}) ${title}`),
    "   q) Quit",
    `Currently connecting${username === undefined ? "" : ` as user ${username}`}${host === undefined ? "" : ` to ${host}`} with truststore ${file ?? "None"}`,
  ].join("\n");
}

async function askConnection(prompts: Prompts, connection: Connection): Promise<void> {
  for (const [name, question] of [
    ["anm_host", "Admin Node Manager (empty: the one of this home)"],
    ["anm_port", "Its port (empty: 8090)"],
    ["username", "User (empty: asked for, or that of conf/managedomain.props)"],
    ["truststore_file", "PEM file with the domain's CA (empty: none)"],
  ] as const) {
    const answer = (await prompts.text(question)).trim();
    if (answer === "") delete connection[name];
    else connection[name] = answer;
  }
}

/** As far as the command calls anybody. */
function connectionArguments([word = ""]: readonly string[], connection: Connection): string[] {
  const taken = new Set(parametersOf(commandOf(word.slice(2))).map(({ name }) => name));
  return Object.entries(connection).flatMap(([name, value]) =>
    taken.has(name) ? [`--${name}=${value}`] : [],
  );
}

async function argumentsFor(prompts: Prompts, option: MenuOption): Promise<string[]> {
  if (option.number === 1) return registration(prompts);
  if (option.number === 24) return ["--regen_certs", ...(await regeneration(prompts))];
  const answers = [`--${option.command}`];
  for (const question of option.questions) answers.push(...(await answerTo(prompts, question)));
  return answers;
}

async function answerTo(prompts: Prompts, of: MenuQuestion): Promise<string[]> {
  const { parameter, question, isOptional, isFlag, isSecret } = of;
  if (isFlag === true) return (await prompts.confirm(question)) ? [`--${parameter}`] : [];
  if (isSecret === true) {
    const answer = await prompts.secret(question);
    return answer === "" ? [] : [`--${parameter}=${answer}`];
  }
  for (;;) {
    const answer = (await prompts.text(question)).trim();
    if (answer !== "") return [`--${parameter}=${answer}`];
    if (isOptional === true) return [];
  }
}

/** Option 1 makes a new domain, or joins one. */
async function registration(prompts: Prompts): Promise<string[]> {
  const isNew = await prompts.confirm("Is this the first host of a new domain?");
  const args = [isNew ? "--initialize" : "--add"];
  const questions: MenuQuestion[] = [
    { parameter: "host", question: "Host name (empty: this machine's)", isOptional: true },
    {
      parameter: "nm_name",
      question: "Node Manager name (empty: as documented)",
      isOptional: true,
    },
    { parameter: "port", question: "Node Manager port (empty: 8090)", isOptional: true },
  ];
  if (!isNew)
    questions.push(
      { parameter: "anm_host", question: "Admin Node Manager to register with" },
      { parameter: "is_admin", question: "Should it be an Admin Node Manager?", isFlag: true },
    );
  for (const question of questions) args.push(...(await answerTo(prompts, question)));
  return [...args, ...(await signing(prompts))];
}

/** The documented CA options 1 to 3. */
async function signing(prompts: Prompts): Promise<string[]> {
  const way = (
    await prompts.text("Sign with 1) system-generated, 2) user-provided, 3) external CA", "1")
  ).trim();
  if (way === "3") return ["--sign_with_external_ca"];
  if (way !== "2") return [];
  const file = await prompts.text("PKCS#12 file of the CA");
  const passphrase = await prompts.secret("Its passphrase");
  return [
    "--sign_with_user_provided",
    `--ca=${file.trim()}`,
    ...(passphrase === "" ? [] : [`--domain_passphrase=${passphrase}`]),
  ];
}

/** Option 24 may keep the CA, and choose among the certificates of this host. */
async function regeneration(prompts: Prompts): Promise<string[]> {
  if (!isYes(await prompts.text("Regenerate the CA key and certificate too? (yes or no)", "no"))) {
    const chosen = await prompts.text(
      "Which processes, as nodemanager-1 instance-2 (empty: all of this host)",
    );
    const names = chosen.trim().split(/\s+/).filter(Boolean);
    return ["--retain_domain_cert", ...names.map((name) => `--process=${name}`)];
  }
  return [];
}
