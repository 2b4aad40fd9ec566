import { DomainError } from "../kit/index.ts";
import type { HomeLayout, NodeSettings } from "../domain/index.ts";
import { readNodeSettings } from "../transport/index.ts";

/** The settings of an Admin Node Manager's home. Throws `home-missing` for any other. */
export async function requireAdminHome({
  home,
  nodeSettings,
}: Pick<HomeLayout, "home" | "nodeSettings">): Promise<NodeSettings> {
  const settings = await readNodeSettings(nodeSettings);
  if (settings?.isAdmin === true) return settings;
  throw new DomainError(
    "home-missing",
    `${home} is not the home of an Admin Node Manager: run this on its host, with its --home`,
  );
}
