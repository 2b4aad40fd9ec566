import { readdir } from "node:fs/promises";
import { isDomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import { KeyProtection, pendingKeyFile, protectKeyFile } from "../keys/index.ts";
import type { NodeState } from "./node-state.ts";

/**
 * Writes the keys that wait for a certificate as `keys` protects them now. One under another
 * passphrase, or gone meanwhile, stays as it is.
 */
export async function protectPendingKeys(
  { temporaryKeys }: HomeLayout,
  keys: KeyProtection,
): Promise<void> {
  for (const name of await readdir(temporaryKeys).catch((): string[] => []))
    try {
      await protectKeyFile(pendingKeyFile(`${temporaryKeys}/${name}`), keys);
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (!isGone && !isDomainError(error, "unauthenticated")) throw error;
    }
}

/**
 * How the keys are protected that a running Node Manager makes and that wait for a certificate: by the
 * passphrase that was given for them, `--key_passphrase`, else as its own keys.
 */
export class PendingKeys {
  readonly keys = new KeyProtection();
  readonly #state: Pick<NodeState, "layout" | "keys" | "groups" | "desired">;
  /** What was unsealed last. */
  #given: { readonly sealed: string; readonly passphrase: string | null } | null = null;

  constructor(state: Pick<NodeState, "layout" | "keys" | "groups" | "desired">) {
    this.#state = state;
  }

  /** Takes what is desired, and what protects the Node Manager's own keys now. */
  async follow(): Promise<void> {
    const own = this.#state.keys.passphrases;
    const before = this.keys.passphrases;
    const current = (await this.#givenPassphrase()) ?? own.current;
    const others = [own.current, ...own.former, before.current];
    const former = others.filter((each) => each !== null && each !== current) as string[];
    this.keys.take({ current, former: [...new Set(former)] });
    if (this.keys.passphrases !== before) await protectPendingKeys(this.#state.layout, this.keys);
  }

  /** Null where none was given, or it cannot be opened here any more. */
  async #givenPassphrase(): Promise<string | null> {
    const sealed = this.#state.desired?.keyPassphrase ?? null;
    if (sealed === null) return null;
    if (this.#given?.sealed !== sealed)
      this.#given = { sealed, passphrase: await this.#state.groups.unsealed(sealed) };
    return this.#given.passphrase;
  }
}
