import { isYes, type LineReader, type Prompts, type Terminal } from "../../src/cli/terminal.ts";

/** A terminal that keeps what is written, stderr marked by `! `, and gives prepared answers. */
export class ScriptedTerminal implements Terminal {
  readonly lines: string[] = [];
  readonly questions: string[] = [];
  readonly columns = null;
  readonly prompts: Prompts | null;
  readonly reader: LineReader | null;

  /**
   * `answers`: in the order of the questions; null: nobody can be asked. `typed`: the lines of a person
   * who types commands; null: nobody does.
   */
  constructor(answers: readonly string[] | null = null, typed: readonly string[] | null = null) {
    const left = [...(answers ?? [])];
    const lines = [...(typed ?? [])];
    this.reader = typed === null ? null : { read: async () => lines.shift() ?? null };
    const next = async (question: string): Promise<string> => {
      this.questions.push(question);
      const answer = left.shift();
      if (answer === undefined) throw new Error(`no answer was prepared for: ${question}`);
      return answer;
    };
    this.prompts =
      answers === null
        ? null
        : {
            text: next,
            secret: next,
            confirm: async (question) => isYes(await next(question)),
          };
  }

  out(text: string): void {
    this.lines.push(...text.split("\n"));
  }

  err(text: string): void {
    this.lines.push(...text.split("\n").map((line) => `! ${line}`));
  }

  redraw(): void {}

  get text(): string {
    return this.lines.join("\n");
  }
}
