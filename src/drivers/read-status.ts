import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { certificatesPem } from "../keys/index.ts";
import type { MemberStatus } from "../domain/index.ts";
import { DomainError } from "../kit/index.ts";
import type { Certificate } from "../pki/index.ts";
import { codeOf } from "./code.ts";
import type { Description } from "./description.ts";
import type { MemberAt } from "./driver-code.ts";
import { parseStatus } from "./parse-status.ts";
import { runToSuccess } from "./run-command.ts";
import { secretOf } from "./secret.ts";
import { ask } from "./socket-commands.ts";

const limitSecondsDefault = 10;
const answerBytesMax = 4_194_304;

/**
 * What a server says of itself, as its description or the code of its driver says where to read it;
 * null where neither does. The certificate of an admin port (https) is verified by the member's CAs.
 */
export async function readStatus(member: MemberAt): Promise<MemberStatus | null> {
  const { description, anchors } = member;
  const code = codeOf(description);
  if (code.status !== undefined) return code.status(member);
  const { status, name } = description;
  if (status === undefined) return null;
  const { from } = status;
  if ("run" in from) return parseStatus(await runToSuccess(from, `the status of ${name}`), status);
  if ("url" in from) return parseStatus(await get(description, from, anchors), status);
  const target =
    "socket" in from ? { path: from.socket } : { host: from.host, port: Number(from.port) };
  const text = from.send === undefined ? "" : `${from.send}\n`;
  return parseStatus(await ask(target, text, from.limitSeconds), status);
}

async function get(
  { login, name }: Description,
  { url, limitSeconds = limitSecondsDefault }: { url: string; limitSeconds?: number },
  anchors: readonly Certificate[],
): Promise<string> {
  const auth =
    login === undefined ? {} : { auth: `${login.user}:${await secretOf(login.password, name)}` };
  const options = { ...auth, timeout: limitSeconds * 1000, agent: false };
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void =>
      reject(
        new DomainError("unreachable", `the status of ${name} cannot be read from its admin port`, {
          cause,
        }),
      );
    const request = url.startsWith("https:")
      ? requestHttps(url, { ...options, ca: anchors.map((each) => certificatesPem([each])) })
      : requestHttp(url, options);
    request.once("timeout", () => request.destroy(new Error("no answer in time")));
    request.once("error", fail);
    request.once("response", (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        return fail(new Error(`it answered with ${response.statusCode}`));
      }
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => {
        text += part;
        if (text.length > answerBytesMax) request.destroy(new Error("the answer is too long"));
      });
      response.once("end", () => resolve(text));
      response.once("error", fail);
    });
    request.end();
  });
}
