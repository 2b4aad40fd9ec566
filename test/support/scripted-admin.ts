import { DomainError } from "../../src/kit/index.ts";
import type { RouteName } from "../../src/contract/index.ts";
import type { Admin, OpenAdmin } from "../../src/cli/admin-session.ts";

/** What an API route answers: a value, a function of the input, or an error to throw. */
export type Answers = Partial<Record<RouteName, unknown>>;

/** The API with prepared answers; `calls` keeps every call that was made. */
export class ScriptedAdmin implements Admin {
  readonly servers = [{ address: "anm.example.com", port: 8090 }];
  readonly calls: { name: RouteName; input: unknown }[] = [];
  readonly #answers: Answers;

  constructor(answers: Answers) {
    this.#answers = answers;
  }

  /** False: no Admin Node Manager answers. */
  answers = true;

  async isReachable(): Promise<boolean> {
    return this.answers;
  }

  get open(): OpenAdmin {
    return async () => this;
  }

  call: Admin["call"] = async (name, input = {}) => {
    this.calls.push({ name, input });
    const answer = this.#answers[name];
    if (answer === undefined) throw new Error(`no answer was prepared for ${name}`);
    if (answer instanceof DomainError) throw answer;
    return (typeof answer === "function" ? answer(input) : answer) as never;
  };

  async keepSession(): Promise<{ username: string; expiresAtMs: number }> {
    return { username: "admin", expiresAtMs: 1_795_348_800_000 };
  }

  async endSession(): Promise<void> {}

  async close(): Promise<void> {}
}
