import { resolve } from "node:path";
import { KeyProtection } from "../../keys/index.ts";
import type { EntityStoreChange, PassphraseSource } from "../../node/local.ts";
import type { CommandContext } from "../command-context.ts";
import { requireJoined } from "../gatehouse/node.ts";
import { changeEntityStore } from "../node-control.ts";
import { shellCommand } from "../secret-source.ts";
import type { Given } from "./command-line.ts";
import { askNew, givenPassphrase } from "./passphrase.ts";

/** How the Node Manager's keys are protected that a command makes, and where that comes from later. */
export interface GivenEntityStore {
  readonly keys: KeyProtection;
  /** Keeps where the passphrase comes from, for every start; call it when the home is made. */
  save(): Promise<void>;
}

/**
 * What `--nm_entitystore_passphrase`, its file or its command gives, or the settings that are in the
 * home already; no passphrase where there is none of them. Throws as `readSecret`, and as
 * `readConfiguredSecret` for a file that others can read.
 */
export async function givenEntityStore(given: Given, home: string): Promise<GivenEntityStore> {
  const local = await import("../../node/local.ts");
  const { layout } = await local.openLocalHome(home);
  const passphrase = await givenPassphrase(given, "nm_entitystore_passphrase");
  const source = sourceOf(given, "nm_entitystore_passphrase");
  if (passphrase === null)
    return { keys: await local.openEntityStore(layout, null), save: async () => {} };
  await local.readSource(source);
  return {
    keys: new KeyProtection(passphrase),
    save: () => local.saveSource(layout, passphrase === "" ? {} : source),
  };
}

/** True where `--edit_host` is to change the passphrase of the Node Manager's keys. */
export function changesEntityStore(given: Given): boolean {
  return ["old_passphrase", "new_passphrase"].some((name) =>
    ["", "_file", "_exec"].some((form) => given.has(`${name}${form}`)),
  );
}

/** `managedomain --edit_host --new_passphrase`: for the keys of this host's Node Manager, here. */
export async function changeOwnPassphrase(
  { terminal, options: { home } }: CommandContext,
  given: Given,
): Promise<void> {
  const local = await import("../../node/local.ts");
  const { layout } = await requireJoined(home);
  const old =
    (await givenPassphrase(given, "old_passphrase")) ??
    (await givenPassphrase(given, "nm_entitystore_passphrase")) ??
    "";
  const next =
    (await givenPassphrase(given, "new_passphrase")) ??
    (await askNew(terminal, "the Node Manager's keys"));
  const source = next === "" ? {} : sourceOf(given, "new_passphrase");
  await local.readSource(source);
  const change = { old, new: next, source };
  if (!(await changeEntityStore(home, change)))
    await local.changeStoppedEntityStore(layout, change);
  terminal.out(changedText(layout.home, change));
}

function changedText(home: string, { new: next, source }: EntityStoreChange): string {
  if (next === "")
    return `The keys in ${home}/conf/fed are not encrypted any more: whoever reads the files has them.`;
  const isKnown = Object.keys(source).length > 0;
  return [
    `The keys in ${home}/conf/fed are encrypted with the new passphrase.`,
    isKnown
      ? `The Node Manager finds it at every start: conf/entity-store.json says where.`
      : "A Node Manager that starts without a terminal is refused: --new_passphrase_file or --new_passphrase_exec lets it find the passphrase by itself.",
  ].join("\n");
}
/** What the settings of the home say of a passphrase that an option named: not that itself. */
function sourceOf(given: Given, name: string): PassphraseSource {
  const file = given.text(`${name}_file`);
  const command = given.text(`${name}_exec`);
  return {
    ...(file === undefined ? {} : { passphraseFile: resolve(file) }),
    ...(command === undefined ? {} : { passphraseExec: shellCommand(command) }),
  };
}
