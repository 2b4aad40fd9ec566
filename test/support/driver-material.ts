import { generateKeyPair } from "../../src/keys/index.ts";
import type { Material } from "../../src/drivers/index.ts";
import { dayMs, testCertificate, testRoot, type TestAuthority } from "./certificates.ts";

/** A root that is valid on this machine's clock. */
export function realRoot(subject = "CN=Root"): Promise<TestAuthority> {
  const template = { notBeforeMs: Date.now() - dayMs, notAfterMs: Date.now() + 365 * dayMs };
  return testRoot({ subject, template });
}

/** A generation of a server on loopback that may be a client too, valid now, of a new key. */
export async function serverMaterial(authority: TestAuthority): Promise<Material> {
  const { privateKey, spki } = await generateKeyPair("ecdsa-p256");
  const leaf = testCertificate(authority, spki, {
    notBeforeMs: Date.now() - dayMs,
    notAfterMs: Date.now() + 30 * dayMs,
  });
  return { key: privateKey, leaf, chain: [], anchors: [authority.certificate], crls: [] };
}
