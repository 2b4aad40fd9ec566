import { hostname } from "node:os";
import { defaultAdminPort } from "../connection-options.ts";
import type { Given } from "./command-line.ts";
import { checkAlternativeNames, checkSigning } from "./signing.ts";

/** How this host will be known in its domain. */
export interface NewHost {
  readonly hostName: string;
  readonly address: string;
  readonly nodeManagerName: string;
  readonly port: number;
}

/** The new host that the options of `--initialize` and `--add` describe, with the documented defaults. */
export function newHostOf(given: Given): NewHost {
  checkSigning(given);
  const hostName = given.text("host") ?? hostname();
  const address = given.text("address") ?? hostName;
  checkAlternativeNames(given, address);
  return {
    hostName,
    address,
    nodeManagerName: given.text("nm_name") ?? given.text("name") ?? defaultName(hostName),
    port: given.port("port") ?? defaultAdminPort,
  };
}

/** The documented one; a long host name leaves no room for more than itself. */
function defaultName(hostName: string): string {
  const name = `Node Manager on ${hostName}`;
  return name.length <= nodeManagerNameLengthMax ? name : hostName;
}

const nodeManagerNameLengthMax = 64;
