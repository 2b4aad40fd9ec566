import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describeError, DomainError } from "../kit/index.ts";
import type { Finding } from "../domain/index.ts";
import type { AdminState } from "./admin-state.ts";
import { readOrRecall } from "./cut-off.ts";
import { currentFindings } from "./findings.ts";

/** `conf/hooks.json`: who is told of findings. Absent: nobody. */
interface FindingHooks {
  /** Program and arguments; gets the news as JSON on standard input. */
  readonly command?: readonly string[];
  /** URL that gets the news as a POST. */
  readonly webhook?: string;
}

/** What a hook is told: the findings that are new, and those that are gone. */
interface FindingNews {
  readonly domain: string;
  readonly raised: readonly Finding[];
  readonly cleared: readonly Finding[];
}

const hookMsMax = 10_000;

/** Compares the findings with those of the last look; tells the hooks if any came or went. */
export class FindingWatch {
  #known = new Map<string, Finding>();

  async look(state: AdminState): Promise<void> {
    const now = new Map(
      (await readOrRecall(state, currentFindings)).answer.map((f) => [`${f.code} ${f.subject}`, f]),
    );
    const raised = [...now].flatMap(([key, finding]) => (this.#known.has(key) ? [] : [finding]));
    const cleared = [...this.#known].flatMap(([key, finding]) => (now.has(key) ? [] : [finding]));
    this.#known = now;
    if (raised.length + cleared.length === 0) return;
    for (const { code, subject, text } of raised) state.log.warn({ code, subject }, text);
    await tell(state, { domain: state.trust.document.domain, raised, cleared });
  }
}

async function tell(state: AdminState, news: FindingNews): Promise<void> {
  const { command, webhook } = await readHooks(`${state.layout.home}/conf/hooks.json`);
  const body = JSON.stringify(news);
  const calls = [
    ...(command === undefined ? [] : [runCommand(command, body)]),
    ...(webhook === undefined ? [] : [post(webhook, body)]),
  ];
  for (const result of await Promise.allSettled(calls)) {
    if (result.status === "rejected")
      state.log.error({ error: describeError(result.reason) }, "a finding hook failed");
  }
}

async function readHooks(path: string): Promise<FindingHooks> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as FindingHooks;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new DomainError("state-corrupt", `${path} cannot be read as JSON: correct it`, { cause });
  }
}

function runCommand(command: readonly string[], input: string): Promise<void> {
  const [program = "", ...args] = command;
  return new Promise((resolve, reject) => {
    const stdio = ["pipe", "ignore", "ignore"] as const;
    const child = spawn(program, args, { stdio: [...stdio], timeout: hookMsMax });
    child.once("error", reject);
    child.once("exit", (code) =>
      code === 0 ? resolve() : reject(new Error(`${program} ended with status ${code}`)),
    );
    child.stdin.once("error", reject);
    child.stdin.end(input);
  });
}

async function post(url: string, body: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const signal = AbortSignal.timeout(hookMsMax);
  const answer = await fetch(url, { method: "POST", headers, body, signal });
  if (!answer.ok) throw new Error(`the webhook answered with status ${answer.status}`);
}
