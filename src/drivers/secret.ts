import { readConfiguredSecret } from "../keys/index.ts";
import type { SecretSource } from "./description.ts";

/** A secret that a description names. Throws as `readConfiguredSecret`. */
export async function secretOf(source: SecretSource, name: string): Promise<string> {
  const secret = await readConfiguredSecret(source, `password of ${name}`, "unauthenticated");
  return secret ?? "";
}
