import type { RolloutView } from "../contract/index.ts";
import type { LoadCounts } from "./load.ts";

/**
 * The live display: one line that is drawn over in a terminal, plain lines elsewhere. Everything
 * goes to standard error when standard output is for JSON.
 */
export class Display {
  readonly #out: NodeJS.WriteStream;
  #status = "";
  #step = "";
  #blocker = { text: "", sinceMs: 0, isSaid: false };
  #counts = "";

  constructor(isJson: boolean) {
    this.#out = isJson ? process.stderr : process.stdout;
  }

  say(text: string): void {
    this.#clear();
    this.#out.write(`${text}\n`);
    this.#draw();
  }

  rollout({ rollout, phase, blockers }: RolloutView): void {
    const all = rollout.done.length + rollout.todo.length;
    const step = `${rollout.kind} ${bar(rollout.done.length, all)} ${phase ?? ""}`;
    const [first] = blockers;
    this.#status = first === undefined ? step : `${step}: ${first.text}`;
    const title = rollout.done.at(-1)?.step.title ?? "";
    if (title !== "" && title !== this.#step && !this.#out.isTTY) {
      const counts = this.#counts === "" ? "" : ` (${this.#counts})`;
      this.#out.write(`  ${rollout.done.length}/${all} ${title}${counts}\n`);
    }
    this.#step = title;
    this.#sayBlocker(first?.text ?? "");
    this.#draw();
  }

  /** Elsewhere than in a terminal, what holds a gate back is said once it has done so for a while. */
  #sayBlocker(text: string): void {
    const nowMs = performance.now();
    if (text !== this.#blocker.text) this.#blocker = { text, sinceMs: nowMs, isSaid: false };
    if (
      text === "" ||
      this.#blocker.isSaid ||
      this.#out.isTTY ||
      nowMs - this.#blocker.sinceMs < blockerPatienceMs
    )
      return;
    this.#out.write(`    waits: ${text}\n`);
    this.#blocker.isSaid = true;
  }

  counts({ requests, failedRequests, handshakes, failedHandshakes }: LoadCounts): void {
    this.#counts = `${requests} requests, ${failedRequests} failed; ${handshakes} handshakes, ${failedHandshakes} failed`;
    this.#draw();
  }

  end(): void {
    this.#clear();
    this.#status = "";
    this.#counts = "";
  }

  #clear(): void {
    if (this.#out.isTTY) this.#out.write("\r\u001B[K");
  }

  #draw(): void {
    if (!this.#out.isTTY) return;
    const line = [this.#status, this.#counts].filter((part) => part !== "").join(" | ");
    this.#out.write(`\r\u001B[K${line.slice(0, (this.#out.columns || 80) - 1)}`);
  }
}

const barWidth = 20;
const blockerPatienceMs = 3_000;

function bar(done: number, all: number): string {
  const filled = all === 0 ? 0 : Math.round((done / all) * barWidth);
  return `[${"#".repeat(filled)}${".".repeat(barWidth - filled)}] ${done}/${all}`;
}
