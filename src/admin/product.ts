import { createRequire } from "node:module";

/** Version of this installation, from its package.json. */
export const productVersion = String(
  (createRequire(import.meta.url)("../../package.json") as { version: string }).version,
);
