import { createRequire } from "node:module";

/** Version of this installation, from its package.json. */
export function productVersion(): string {
  const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };
  return version;
}
