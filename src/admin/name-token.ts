import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { homeLayout } from "../domain/index.ts";
import { writeFileAtomic } from "../keys/index.ts";
import { requireAdminHome } from "./admin-home.ts";
import { HomeToken, writeTokenSettings, type GivenToken } from "./home-token.ts";

/**
 * Names the token in the home of an Admin Node Manager: keys in it that this host is a holder of are
 * used from now on, and CAs that it makes get theirs there. It is logged in to first. Throws
 * `home-missing`, and as `TokenKeys.open`; then everything is as it was.
 */
export async function nameToken(home: string, { pin, ...given }: GivenToken): Promise<void> {
  const layout = homeLayout(home);
  const node = await requireAdminHome(layout);
  const { tokenSettings } = layout;
  const before = existsSync(tokenSettings) ? await readFile(tokenSettings) : null;
  await writeTokenSettings(layout, { ...given, domain: node.domain });
  const token = new HomeToken(layout);
  try {
    if (pin === null) await token.keys.open();
    else await token.unlock(pin);
  } catch (error) {
    if (before === null) await rm(tokenSettings);
    else await writeFileAtomic(tokenSettings, before, { mode: 0o600 });
    throw error;
  } finally {
    await token.keys.close();
  }
}
