import { DomainError, type ErrorCode } from "../../kit/index.ts";

interface Meaning {
  readonly code: ErrorCode;
  /** What Amlen's code means, and what to do. */
  readonly text: string;
}

/** Codes of Amlen's admin endpoint by number, as in CWLNA0138. */
const meanings: Readonly<Record<number, Meaning>> = {
  112: {
    code: "invalid-input",
    text: "a value is out of range: compare it with its property's rule",
  },
  127: {
    code: "invalid-input",
    text: "a value has the wrong JSON type: write numbers and true or false without quotes",
  },
  134: {
    code: "invalid-input",
    text: "a property that is needed is empty, or an address is none: give it",
  },
  137: {
    code: "invalid-input",
    text: "it does not know the object: check that this is Amlen's admin port",
  },
  138: {
    code: "invalid-input",
    text: "it does not know a property: remove it, or correct its name",
  },
  145: { code: "conflict", text: "it has to be restarted first" },
  148: {
    code: "conflict",
    text: "the member of the cluster is not inactive: stop it before you remove it",
  },
  353: { code: "conflict", text: "its pair is synchronising: wait until it is done" },
  359: {
    code: "conflict",
    text: "the pair could not take over a change from its primary: restart the standby",
  },
  360: {
    code: "conflict",
    text: "the pair could not take over a change from its primary: restart the standby",
  },
  372: { code: "forbidden", text: "the object cannot be deleted" },
  382: { code: "conflict", text: "a standby cannot be given this: change it on the primary" },
  384: {
    code: "conflict",
    text: "the name of a cluster is fixed while membership is enabled: leave the cluster first",
  },
  385: {
    code: "conflict",
    text: "the primary of a clustered pair cannot leave its pair: leave the cluster first",
  },
  387: { code: "conflict", text: "its licence is not accepted: accept it first" },
  707: {
    code: "conflict",
    text: "the member of the cluster is alive: stop it before you remove it",
  },
  6001: {
    code: "invalid-input",
    text: "it was sent no JSON: look for a comma before a closing brace",
  },
};

/** What the Server block's ErrorCode says of a member that has stopped. */
const stopReasons: Readonly<Record<number, string>> = {
  353: "its pair is synchronising",
  506: "the certificates of its pair could not be copied: /bin/sh has to be bash for Amlen's scripts",
  509: "no other member was found before DiscoveryTimeout, or one whose certificate is not trusted or whose key does not match",
  510: "a value of HighAvailability does not fit this host: check its NICs",
  511: "no other member was found before DiscoveryTimeout",
  512: "both members of its pair were primary: keep one, restart the other with CleanStore",
  513: "both members of its pair are unsynchronised: choose one to start alone",
  514: "both members of its pair have data: choose one, and restart the other with CleanStore",
  515: "a NIC of HighAvailability is not this host's",
  715: "it was removed from its cluster: it can come back as a new member only",
};

/** Why a member is in maintenance, by its ErrorCode; with 0 it says nothing itself. */
export function stopReason(errorCode: number): string {
  const known = stopReasons[errorCode];
  if (errorCode === 0) return "it gives no reason: after a split-brain neither member does";
  return known === undefined ? `its ErrorCode is ${errorCode}` : `${known} (${errorCode})`;
}

/** The error for an answer that is no success, in one line; Amlen's own words are its cause. */
export function refusalOf(
  where: string,
  asked: string,
  answer: { readonly status: number; readonly body: Readonly<Record<string, unknown>> },
): DomainError {
  const { status, body } = answer;
  const code = typeof body["Code"] === "string" ? body["Code"] : null;
  const cause = typeof body["Message"] === "string" ? new Error(body["Message"]) : undefined;
  if (status === 401 || status === 403) {
    if (code === null || !code.endsWith("0372"))
      return new DomainError(
        "unauthenticated",
        `${where} does not accept the login for ${asked}: check adminUser and the password in the file of adminPasswordFile`,
        { cause },
      );
  }
  const number = Number(/^CWLNA(\d+)$/.exec(code ?? "")?.[1] ?? Number.NaN);
  const meaning = meanings[number];
  const said = code === null ? `status ${status}` : code;
  return new DomainError(
    meaning?.code ?? "conflict",
    `${where} refuses ${asked} with ${said}: ${meaning?.text ?? "look it up in Amlen's documentation"}`,
    { cause, context: { status } },
  );
}
