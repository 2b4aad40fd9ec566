import type { RolloutView } from "../contract/index.ts";
import { stepsText } from "./render/rollout-text.ts";
import { count } from "./render/table.ts";
import type { Terminal } from "./terminal.ts";

/** Shows how far a rollout is, each time it is looked at. */
export interface Progress {
  show(view: RolloutView): void;
  /** Ends the drawing, so that other lines may follow. */
  end(): void;
}

/** A bar that is drawn over where the terminal can do that, else a line for everything new. */
export function progressOn(terminal: Terminal): Progress {
  return terminal.columns === null ? lines(terminal) : bar(terminal, terminal.columns);
}

const blockersNamedMax = 3;

function lines(terminal: Terminal): Progress {
  let stepsShown = 0;
  let blockersShown = "";
  return {
    show({ rollout, blockers }) {
      for (const { step } of rollout.done.slice(stepsShown)) {
        stepsShown += 1;
        terminal.err(
          `[${stepsShown}/${rollout.done.length + rollout.todo.length}] ${step.phase}: ${step.title}`,
        );
      }
      const texts = blockers.slice(0, blockersNamedMax).map(({ text }) => text);
      if (blockers.length > blockersNamedMax)
        texts.push(`and ${blockers.length - blockersNamedMax} more`);
      const text = texts.join("; ");
      if (text !== "" && text !== blockersShown) terminal.err(`      waits: ${text}`);
      blockersShown = text;
    },
    end() {},
  };
}

const barWidth = 20;

function bar(terminal: Terminal, columns: number): Progress {
  let isDrawn = false;
  return {
    show(view) {
      terminal.redraw(barLine(view).slice(0, columns - 1));
      isDrawn = true;
    },
    end() {
      if (isDrawn) terminal.err("");
      isDrawn = false;
    },
  };
}

/** One line: how full, which step, and what it waits for. */
export function barLine({ rollout, blockers }: RolloutView): string {
  const { done, todo, status } = rollout;
  const held = done.filter(({ heldAtMs }) => heldAtMs !== null).length;
  const filled =
    status === "completed"
      ? barWidth
      : Math.floor((barWidth * held) / Math.max(1, done.length + todo.length));
  const step = done.at(-1)?.step ?? todo[0];
  const [first] = blockers;
  const waits =
    first === undefined
      ? ""
      : blockers.length === 1
        ? `, waits: ${first.text}`
        : `, waits for ${count(blockers.length, "thing")}: ${first.text}`;
  return `[${"#".repeat(filled).padEnd(barWidth, ".")}] ${stepsText(rollout)} ${step === undefined ? status : `${step.phase}: ${step.title}`}${status === "paused" ? " (paused)" : ""}${waits}`;
}
