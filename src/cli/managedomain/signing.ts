import { DomainError } from "../../kit/index.ts";
import { signingOptions, type SigningMode } from "../signing/choice.ts";
import { openProvidedCa, type ProvidedCa } from "../signing/provided-ca.ts";
import type { Given } from "./command-line.ts";
import { givenPassphrase } from "./passphrase.ts";

/** How the certificates of a command are to be signed, as its options say. */
export interface SigningChoice {
  /** Null: as the domain signs. */
  readonly mode: SigningMode | null;
  /** The file of `--ca`, with `--sign_with_user_provided`. */
  readonly caFile: string | null;
  /** Of the CA that is made. */
  readonly digest: SignDigest;
}

/** Reads the options. Throws `usage` for what does not go together, `invalid-input`, `not-supported`. */
export function signingChoice(given: Given): SigningChoice {
  const digest = givenDigest(given);
  const modes = (Object.keys(signingOptions) as SigningMode[]).filter((mode) =>
    given.has(signingOptions[mode]),
  );
  const [mode = null, second] = modes;
  if (mode !== null && second !== undefined)
    throw new DomainError(
      "usage",
      `--${signingOptions[mode]} and --${signingOptions[second]} were given: choose one`,
    );
  const [caFile = null] = given.texts("ca");
  if (mode === "provided" && caFile === null)
    throw new DomainError(
      "usage",
      "--sign_with_user_provided needs --ca=FILE.p12, with the key and the certificate of your CA",
    );
  if (mode !== "provided" && caFile !== null)
    throw new DomainError("usage", "--ca goes with --sign_with_user_provided");
  if (mode !== null && mode !== "generated" && digest !== "sha256")
    throw new DomainError(
      "usage",
      `--sign_alg ${digest} goes with --sign_with_generated: with --${signingOptions[mode]} the CA signs as it does`,
    );
  if (mode !== null && mode !== "generated" && given.has("domain_name"))
    throw new DomainError(
      "usage",
      `--domain_name goes with --sign_with_generated: with --${signingOptions[mode]} the CA has its name`,
    );
  return { mode, caFile, digest };
}

/** Opens the CA of `--ca`, with the passphrase of `--domain_passphrase`; null where none was given. */
export async function givenCa(given: Given, { caFile }: SigningChoice): Promise<ProvidedCa | null> {
  if (caFile === null) return null;
  const passphrase = (await givenPassphrase(given, "domain_passphrase")) ?? "";
  return openProvidedCa(caFile, passphrase, given.connection.home);
}

type SignDigest = "sha256" | "sha384" | "sha512";

/** The digest of `--sign_alg`. Throws `invalid-input` with the reason. */
function givenDigest(given: Given): SignDigest {
  const algorithm = (given.text("sign_alg") ?? "sha256").toLowerCase().replace("-", "");
  if (algorithm === "sha256" || algorithm === "sha384" || algorithm === "sha512") return algorithm;
  if (algorithm === "sha1")
    throw new DomainError(
      "invalid-input",
      "--sign_alg sha1: SHA-1 signatures can be forged and current TLS libraries refuse them; leave the option out for sha256",
    );
  throw new DomainError(
    "invalid-input",
    `--sign_alg ${JSON.stringify(algorithm)} is not known: give sha256, sha384 or sha512`,
  );
}
