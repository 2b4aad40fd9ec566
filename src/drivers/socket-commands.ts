import { connect } from "node:net";
import { DomainError } from "../kit/index.ts";
import type { SocketCommands } from "./description.ts";

const limitSecondsDefault = 10;
const answerCharactersMax = 1_048_576;

/**
 * Sends one line (or several) on a connection of its own and returns all that is answered until the
 * server closes it. `timeout` if that takes too long, `unreachable` if there is no connection.
 */
export function ask(
  target: { path: string } | { host: string; port: number },
  text: string,
  limitSeconds = limitSecondsDefault,
): Promise<string> {
  const where = "path" in target ? target.path : `${target.host}:${target.port}`;
  return new Promise((resolve, reject) => {
    const socket = connect(target);
    let answer = "";
    const limit = setTimeout(() => {
      socket.destroy();
      reject(new DomainError("timeout", `${where} did not answer within ${limitSeconds} s`));
    }, limitSeconds * 1000);
    socket.setEncoding("utf8");
    socket.on("data", (part: string) => {
      answer += part;
      if (answer.length > answerCharactersMax) socket.destroy(new Error("the answer is too long"));
    });
    socket.once("end", () => resolve(answer));
    socket.once("error", (cause) =>
      reject(
        new DomainError("unreachable", `${where} cannot be asked: check that the server runs`, {
          cause,
        }),
      ),
    );
    socket.once("close", () => clearTimeout(limit));
    socket.write(text);
  });
}

/**
 * Sends the commands of a description in order; `payloadOf` reads a file of the generation. The first
 * answer that is not the expected one ends it: what `abort` says is sent, and `generation-refused`
 * is thrown with the answer.
 */
export async function sendCommands(
  { socket, commands, abort = [], limitSeconds }: SocketCommands,
  payloadOf: (name: string) => Promise<string>,
): Promise<void> {
  for (const { send, payload, expect } of commands) {
    const body =
      payload === undefined ? "" : ` <<\n${withoutEmptyLines(await payloadOf(payload))}\n`;
    const answer = await ask({ path: socket }, `${send}${body}\n`, limitSeconds);
    if (new RegExp(expect, "m").test(answer)) continue;
    for (const line of abort)
      await ask({ path: socket }, `${line}\n`, limitSeconds).catch(() => "");
    throw new DomainError(
      "generation-refused",
      `${socket} answered to "${send}": ${answer.trim().split("\n").join(" / ").slice(0, 400)}`,
    );
  }
}

/** An empty line would end a payload. */
function withoutEmptyLines(text: string): string {
  return text.replace(/^\s*\n/gm, "").trimEnd();
}
