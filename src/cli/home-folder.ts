import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** What `--help` says of the home folder. */
export const homeHelp =
  "home folder of this host; GATEHOUSE_HOME where that is set, else ~/.gatehouse/apigateway";

/** The home folder as an absolute path without a slash at the end. */
export function homeFolder(given: string | undefined): string {
  const fromEnvironment = process.env["GATEHOUSE_HOME"];
  const chosen = given ?? (fromEnvironment === "" ? undefined : fromEnvironment);
  return resolve(chosen ?? join(homedir(), ".gatehouse", "apigateway"));
}
