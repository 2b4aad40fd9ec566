import { dirname } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { DomainError, isDomainError } from "../kit/index.ts";
import type { HomeLayout } from "../domain/index.ts";
import { ensureFolder, readConfiguredSecret, writeFileAtomic } from "../keys/index.ts";
import { TokenKeys } from "../keys/signing.ts";
import { readStateFile } from "../transport/index.ts";

/** `conf/token.json`: the PKCS#11 token with the keys of the CAs, and where its PIN comes from. */
export interface TokenSettings {
  /** Path of the PKCS#11 library. */
  readonly module: string;
  /** The label of the token. */
  readonly token: string;
  /** Whose keys they are: a part of their labels, since a token may serve several domains. */
  readonly domain: string;
  /** File whose first line is the PIN, readable by its owner only. */
  readonly pinFile?: string;
  /** Program and arguments; the first line that it prints is the PIN. */
  readonly pinExec?: readonly string[];
}

/** A token as a person names it. */
export interface GivenToken extends Omit<TokenSettings, "domain"> {
  /** What a person said; null: the settings say where it comes from. */
  readonly pin: string | null;
}

/** Writes how the token is reached, for the Admin Node Manager of the home to find it there. */
export async function writeTokenSettings(
  { tokenSettings }: Pick<HomeLayout, "tokenSettings">,
  settings: TokenSettings,
): Promise<void> {
  await ensureFolder(dirname(tokenSettings), 0o700);
  await writeFileAtomic(tokenSettings, `${JSON.stringify(settings, null, 2)}\n`, { mode: 0o600 });
}

/** The token that a home names, if it names one. */
export class HomeToken {
  readonly #layout: Pick<HomeLayout, "tokenSettings">;
  /** In place of the one that the settings give: what a person said. */
  #pin: string | null = null;
  readonly keys: TokenKeys;
  /** What the process that has the library was started with. */
  #used: TokenSettings | null = null;

  constructor(layout: Pick<HomeLayout, "tokenSettings">) {
    this.#layout = layout;
    this.keys = new TokenKeys(() => this.#login());
  }

  /** Null: the keys of this home are files. Throws `state-corrupt`. */
  async settings(): Promise<TokenSettings | null> {
    const settings = await readStateFile<TokenSettings>(this.#layout.tokenSettings);
    if (this.#used !== null && !isDeepStrictEqual(this.#used, settings)) {
      // Another token is named by now: the next call logs in there.
      this.#used = null;
      await this.keys.close();
    }
    return settings;
  }

  /** True while nothing gives the PIN and no person has said it. */
  async isLocked(): Promise<boolean> {
    const settings = await this.settings();
    return settings !== null && this.#pin === null && !givesPin(settings);
  }

  /** Takes the PIN from a person. Throws `forbidden` where it is wrong, and as `TokenKeys.open`. */
  async unlock(pin: string): Promise<void> {
    this.#pin = pin;
    try {
      await this.keys.open();
    } catch (error) {
      this.#pin = null;
      if (!isDomainError(error, "forbidden")) throw error;
      throw new DomainError(
        "forbidden",
        `${error.message}: it locks itself after a few wrong ones`,
      );
    }
  }

  async #login(): Promise<{ module: string; token: string; pin: string }> {
    const settings = await this.settings();
    if (settings === null)
      throw new DomainError(
        "authority-unavailable",
        `${this.#layout.tokenSettings} is missing: it says how the token is reached`,
      );
    this.#used = settings;
    const { module, token } = settings;
    const { pinFile: file, pinExec: exec } = settings;
    const pin =
      this.#pin ?? (await readConfiguredSecret({ file, exec }, "PIN", "authority-unavailable"));
    if (pin === undefined)
      throw new DomainError(
        "authority-unavailable",
        `the PIN of the token ${token} is not known: \`gatehouse authority unlock\` on this host takes it`,
      );
    return { module, token, pin };
  }
}

function givesPin({ pinFile, pinExec }: TokenSettings): boolean {
  return pinFile !== undefined || pinExec !== undefined;
}
