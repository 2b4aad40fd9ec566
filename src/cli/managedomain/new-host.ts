import { hostname } from "node:os";
import { DomainError } from "../../kit/index.ts";
import { defaultAdminPort } from "../connection-options.ts";
import type { Given } from "./command-line.ts";

/** How this host will be known in its domain. */
export interface NewHost {
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
  /** Further names in its certificate, as `DNS:name`. */
  readonly alternativeNames: readonly string[];
}

/** The new host that the options of `--initialize` and `--add` describe, with the documented defaults. */
export function newHostOf(given: Given): NewHost {
  const hostName = given.text("host") ?? hostname();
  const address = given.text("address") ?? hostName;
  return {
    hostName,
    address,
    nodeManagerName: given.text("nm_name") ?? given.text("name") ?? defaultName(hostName),
    port: given.port("port") ?? defaultAdminPort,
    alternativeNames: givenAlternativeNames(given),
  };
}

/** The further names of `--subj_alt_name`. Throws `invalid-input`. */
export function givenAlternativeNames(given: Given): string[] {
  return given.texts("subj_alt_name").map(alternativeName);
}

/** `DNS.1=name` as OpenSSL's configuration has it, without the number: `DNS:name`. */
function alternativeName(text: string): string {
  const [, type, value] = /^(DNS|IP|email|URI)(?:\.\d+)?[=:](.+)$/i.exec(text) ?? [];
  if (type !== undefined && value !== undefined) return `${type}:${value}`;
  throw new DomainError(
    "invalid-input",
    `--subj_alt_name ${JSON.stringify(text)} is not of the form DNS.1=NAME, IP.1=ADDRESS, email.1=ADDRESS or URI.1=URI`,
  );
}

/** The documented one; a long host name leaves no room for more than itself. */
function defaultName(hostName: string): string {
  const name = `Node Manager on ${hostName}`;
  return name.length <= nodeManagerNameLengthMax ? name : hostName;
}

const nodeManagerNameLengthMax = 64;
