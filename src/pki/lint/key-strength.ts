import { publicKeyText } from "../public-key.ts";
import type { PublicKeyInfo } from "../public-key.ts";
import type { Lint } from "./lint.ts";

const modulusBitsMin = 2048;
const modulusBitsMax = 4096;
const exponentMin = 65_537;

export const keyStrength: Lint = {
  rule: "key-strength",
  source: "NIST SP 800-57 part 1 table 2, FIPS 186-5 5.1 (RSA exponent)",
  problem: ({ certificate }) => keyProblem(certificate.publicKey),
};

/** What is wrong with a key that wants a certificate: one line, or null if it is strong enough. */
export function keyProblem(key: PublicKeyInfo): string | null {
  if (key.kind === "ed25519" || (key.kind === "ec" && key.curve !== "P-521")) return null;
  if (key.kind !== "rsa") {
    return `${publicKeyText(key)} is not supported; use EC P-256 or P-384, RSA or Ed25519`;
  }
  if (key.modulusBits < modulusBitsMin || key.modulusBits > modulusBitsMax) {
    return `an RSA key of ${key.modulusBits} bits; ${modulusBitsMin} to ${modulusBitsMax} are allowed`;
  }
  return key.exponent < exponentMin || key.exponent % 2 === 0
    ? "the exponent of the RSA key is even or below 65537"
    : null;
}
