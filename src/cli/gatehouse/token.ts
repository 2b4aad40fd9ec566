import { resolve } from "node:path";
import { DomainError, type AuthorityId } from "../../kit/index.ts";
import { asAdmin, printResult, type CommandContext } from "../command-context.ts";

export interface TokenWish {
  readonly module: string;
  readonly label: string;
  readonly pinFile?: string;
  readonly pinExec?: readonly string[];
}

/** `gatehouse authority token`: on the files of this home; its Admin Node Manager may run. */
export async function nameToken(context: CommandContext, wish: TokenWish): Promise<void> {
  const { options, terminal } = context;
  const { pinFile, pinExec, label: token } = wish;
  if (pinFile !== undefined && pinExec !== undefined)
    throw new DomainError("usage", "give --pin-file or --pin-exec: one of the two");
  const isGiven = pinFile !== undefined || pinExec !== undefined;
  const offline = await import("../../admin/offline.ts");
  await offline.nameToken(options.home, {
    module: resolve(wish.module),
    token,
    pin: isGiven ? null : await askPin(context, token),
    ...(pinFile === undefined ? {} : { pinFile: resolve(pinFile) }),
    ...(pinExec === undefined ? {} : { pinExec }),
  });
  terminal.out(
    [
      `The Admin Node Manager of ${options.home} uses the token ${token}: new CAs have their keys there. \`gatehouse plan rotate-ca\` replaces one whose key is a file.`,
      ...(isGiven
        ? []
        : ["The PIN is kept nowhere: give it with `gatehouse authority unlock` after each start."]),
    ].join("\n"),
  );
}

async function askPin({ terminal: { prompts } }: CommandContext, token: string): Promise<string> {
  if (prompts !== null) return prompts.secret(`PIN of the token ${token}`);
  throw new DomainError(
    "usage",
    "nobody can be asked here for the PIN of the token: give --pin-file or --pin-exec",
  );
}

/** `gatehouse authority destroy-key`. */
export function destroyKey(context: CommandContext, id: AuthorityId): Promise<void> {
  return asAdmin(context, async (admin) => {
    const done = await admin.call("destroyKey", { params: { id } });
    printResult(context, done, ({ wasThere }) =>
      wasThere
        ? `The key of ${id} is destroyed in its token.`
        : `The key of ${id} was not in its token any more; that is on record now.`,
    );
  });
}
