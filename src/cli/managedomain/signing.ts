import { DomainError } from "../../kit/index.ts";
import type { Given } from "./command-line.ts";

/** Refuses ways of signing that this version does not have, each with its reason. */
export function checkSigning(given: Given): void {
  const algorithm = (given.text("sign_alg") ?? "sha256").toLowerCase().replace("-", "");
  if (algorithm === "sha256") return;
  if (algorithm === "sha1")
    throw new DomainError(
      "invalid-input",
      "--sign_alg sha1: SHA-1 signatures can be forged and current TLS libraries refuse them; leave the option out for sha256",
    );
  if (algorithm === "sha384" || algorithm === "sha512")
    throw new DomainError(
      "not-supported",
      `--sign_alg ${algorithm}: other digests come with a later version; leave the option out for sha256`,
    );
  throw new DomainError(
    "invalid-input",
    `--sign_alg ${JSON.stringify(algorithm)} is not known: leave the option out for sha256`,
  );
}

/** Alternative names that a Node Manager's certificate has anyway pass; others are a later version's. */
export function checkAlternativeNames(given: Given, address: string): void {
  const has = new Set([address, "localhost", "127.0.0.1"]);
  for (const text of given.texts("subj_alt_name")) {
    const [, value] = /^(?:DNS|IP)(?:\.\d+)?[=:](.+)$/.exec(text) ?? [];
    if (value === undefined)
      throw new DomainError(
        "invalid-input",
        `--subj_alt_name ${JSON.stringify(text)} is not of the form DNS.1=NAME or IP.1=ADDRESS`,
      );
    if (!has.has(value))
      throw new DomainError(
        "not-supported",
        `--subj_alt_name ${value}: names beside the host's address (${address}), localhost and 127.0.0.1 come with a later version; set the name that others use with --address`,
      );
  }
}
