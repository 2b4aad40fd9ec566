import { readFile } from "node:fs/promises";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { certificatesPem, readConfiguredSecret } from "../../keys/index.ts";
import { DomainError, isDomainError } from "../../kit/index.ts";
import type { MemberAt } from "../driver-code.ts";
import { refusalOf } from "./admin-answers.ts";

/** A primary whose links are cut does not answer for about ten seconds. */
const answerMsMax = 15_000;
const answerCharactersMax = 4_194_304;

type Json = Readonly<Record<string, unknown>>;

/** The admin endpoint of a member's server, /ima/v1. */
export interface AdminPort {
  /** Nobody logs in: this host has no password for it. */
  readonly isAnonymous: boolean;
  /**
   * Throws `unreachable`, `timeout`, `untrusted-server`, `unauthenticated`, and what an answer of
   * Amlen's means.
   */
  readonly get: (path: string) => Promise<Json>;
  readonly post: (path: string, body: Json) => Promise<void>;
}

interface Access {
  readonly name: string;
  readonly url: string;
  readonly authorization: string | null;
  readonly ca: string | null;
}

/** The admin port as the member's values name it. Throws where its login or CA cannot be read. */
export async function adminPortOf(member: MemberAt): Promise<AdminPort> {
  const { values, name } = member;
  const url = String(values["adminUrl"]).replace(/\/+$/, "");
  const [problem] = adminMistakes(values);
  if (problem !== undefined) throw new DomainError("invalid-input", `${name}: ${problem}`);
  const access: Access = {
    name,
    url: `${url}/ima/v1`,
    authorization: await authorizationOf(member),
    ca: url.startsWith("https:") ? await caOf(member) : null,
  };
  return {
    isAnonymous: access.authorization === null,
    get: (path) => call(access, "GET", path, null),
    post: async (path, body) => void (await call(access, "POST", path, body)),
  };
}

/** Mistakes in the values that say where the admin port is and how it is verified. */
export function adminMistakes(values: Readonly<Record<string, string>>): string[] {
  const { adminUrl = "", adminPlaintext, adminCa = "" } = values;
  const url = URL.canParse(adminUrl) ? new URL(adminUrl) : null;
  if (
    url === null ||
    !/^https?:$/.test(url.protocol) ||
    url.username !== "" ||
    url.pathname !== "/"
  )
    return ["adminUrl must be as https://127.0.0.1:9089"];
  const isPlain = url.protocol === "http:";
  return [
    ...(adminPlaintext !== "allowed" && adminPlaintext !== "refused"
      ? ["adminPlaintext must be refused or allowed"]
      : []),
    ...(isPlain && adminPlaintext !== "allowed" && !isLoopback(url.hostname)
      ? [
          "adminUrl is http to another host, where anybody can read the password: write https, or adminPlaintext: allowed",
        ]
      : []),
    ...(adminCa !== "service" && !adminCa.startsWith("/")
      ? ["adminCa must be service, or the path of a PEM file"]
      : []),
  ];
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Null: there is no password on this host, so nobody logs in. */
async function authorizationOf({ description, name }: MemberAt): Promise<string | null> {
  const { login } = description;
  if (login === undefined) return null;
  try {
    const what = `admin password of ${name}`;
    const password = await readConfiguredSecret(login.password, what, "unauthenticated");
    return `Basic ${Buffer.from(`${login.user}:${password ?? ""}`).toString("base64")}`;
  } catch (error) {
    if (isDomainError(error, "not-found")) return null;
    throw error;
  }
}

async function caOf({ values, anchors, name }: MemberAt): Promise<string> {
  const { adminCa = "service" } = values;
  if (adminCa === "service") return certificatesPem(anchors);
  return readFile(adminCa, "utf8").catch((cause: unknown) => {
    throw new DomainError(
      "not-found",
      `${adminCa}, by which the admin port of ${name} is verified, cannot be read: check adminCa`,
      { cause },
    );
  });
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function call(
  access: Access,
  method: "GET" | "POST",
  path: string,
  body: Json | null,
): Promise<Json> {
  const { status, text } = await exchange(access, method, path, body);
  let parsed: Json;
  try {
    parsed = JSON.parse(text) as Json;
  } catch (cause) {
    if (status === 401) throw refusalOf(access.url, path, { status, body: {} });
    throw new DomainError(
      "invalid-input",
      `${access.url} does not answer as Amlen does: check the port of adminUrl`,
      { cause },
    );
  }
  if (status === 200) return parsed;
  throw refusalOf(access.url, path, { status, body: parsed });
}

function exchange(
  { name, url, authorization, ca }: Access,
  method: "GET" | "POST",
  path: string,
  body: Json | null,
): Promise<Answer> {
  const headers = {
    ...(authorization === null ? {} : { authorization }),
    ...(body === null ? {} : { "content-type": "application/json" }),
  };
  const options = { method, headers, agent: false, signal: AbortSignal.timeout(answerMsMax) };
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => reject(failureOf(url, name, cause));
    const target = `${url}/${path}`;
    const request =
      ca === null ? requestHttp(target, options) : requestHttps(target, { ...options, ca });
    request.once("error", fail);
    request.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
        if (text.length > answerCharactersMax) request.destroy(new Error("the answer is too long"));
      });
      response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.once("error", fail);
    });
    request.end(body === null ? undefined : JSON.stringify(body));
  });
}

function failureOf(url: string, name: string, cause: unknown): DomainError {
  const { code = "", name: kind } = cause as { code?: string; name?: string };
  if (kind === "AbortError" || kind === "TimeoutError")
    return new DomainError(
      "timeout",
      `the admin port ${url} of ${name} did not answer within ${answerMsMax / 1000} s`,
      { cause },
    );
  const isUntrusted = /CERT|SELF_SIGNED|VERIFY|ERR_TLS/.test(code);
  return isUntrusted
    ? new DomainError(
        "untrusted-server",
        `the certificate of the admin port ${url} of ${name} is not verified by the CA of adminCa, or is for another name: give the CA and a name in the certificate`,
        { cause },
      )
    : new DomainError(
        "unreachable",
        `the admin port ${url} of ${name} cannot be reached: check that the server runs`,
        { cause },
      );
}
